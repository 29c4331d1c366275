-- Epochs: who the log belongs to, and what nodes may know of it.

-- Identifies the running server and the log in it: the database cluster, its timeline, and the start of the
-- server; the database, and the files of the table. It differs after a failover, after a restore, after a
-- restart, which may have been one of an older copy, and after a dump was loaded.
create function sse.server() returns text
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  found text := extract(epoch from pg_postmaster_start_time())::text
    || ' ' || (select oid from pg_database where datname = current_database())
    || ' ' || 'sse.meta'::regclass::oid || ' ' || pg_relation_filenode('sse.log');
begin
  -- Some providers do not allow these, or have no timeline.
  begin
    return (select system_identifier from pg_control_system()) || ' '
      || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) || ' ' || found;
  exception when others then
    return found;
  end;
end $$;

create function sse.random_epoch() returns text
language sql volatile set search_path = pg_catalog, pg_temp as $$
  -- The 13th digit of such a UUID is a 4, so there is a first digit that is not 0.
  select ltrim(left(replace(gen_random_uuid()::text, '-', ''), 16), '0')
$$;

-- Returns the state of the log, with the offset of the newest event as its `last`. That offset is not written
-- to `sse.meta` for each event, which would leave an old version of the row behind.
create function sse.state() returns sse.meta
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  m sse.meta;
begin
  select * into m from sse.meta;
  m.last := greatest(m.last, (select max(o) from sse.log));
  return m;
end $$;

-- Begins a new epoch, which continues the one of `m` up to the offset `shared`; none if that is null.
create function sse.begin_epoch(m sse.meta, shared bigint) returns sse.meta
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  lineage text[] := '{}';
begin
  if shared is not null then
    select coalesce(array_agg(split_part(id, '-', 1) || '-'
      || least(split_part(id, '-', 2)::bigint, shared) order by at), '{}')
    into lineage from unnest(m.lineage) with ordinality as ids (id, at)
    where split_part(id, '-', 1) <> m.epoch;
    lineage := lineage || (m.epoch || '-' || shared);
    lineage := lineage[greatest(cardinality(lineage) - 15, 1):];
  else
    m.floor := m.last;
  end if;
  m.lineage := lineage;
  m.epoch := sse.random_epoch();
  m.server := sse.server();
  update sse.meta set epoch = m.epoch, last = m.last, floor = m.floor, lineage = m.lineage,
    server = m.server, awake = '', awake_until = '-infinity';
  -- The numbers of transactions may be those of another server.
  perform set_config('sse.seen', '', false);
  perform pg_notify('sse', 'log');
  return m;
end $$;

-- Returns `true` if the log holds what a node has seen of it: offsets up to `seen`, and an event with
-- this tag at the offset `place`, unless it was trimmed.
create function sse.holds(m sse.meta, epoch text, seen bigint, place bigint, tag bigint) returns boolean
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  return m.epoch <> holds.epoch or (m.last >= holds.seen and not exists (
    select from sse.log where log.o = holds.place and log.tag <> holds.tag));
end $$;

-- Locks the log, and begins a new epoch if offsets may be assigned a second time.
create function sse.lock(epoch text, seen bigint, place bigint, tag bigint) returns sse.meta
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  m sse.meta;
begin
  select * into m from sse.meta for update;
  if not found then
    insert into sse.meta (epoch, server) values (sse.random_epoch(), sse.server())
      on conflict do nothing;
    if found then
      -- Nobody knows which epoch these are of.
      delete from sse.log;
      delete from sse.once where o is not null;
    end if;
    select * into m from sse.meta for update;
  end if;
  m.last := greatest(m.last, (select max(o) from sse.log));
  if m.server <> sse.server() then
    -- Nothing has been appended on this server yet, so all that it holds is shared.
    m := sse.begin_epoch(m, m.last);
  elsif not sse.holds(m, epoch, seen, place, tag) then
    m := sse.begin_epoch(m, null);
  end if;
  return m;
end $$;

