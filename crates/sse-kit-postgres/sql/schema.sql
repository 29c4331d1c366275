-- The log of sse-kit in PostgreSQL: the schema `sse`, version 1.
--
-- An event goes two ways. `sse.publish` puts it into `sse.outbox` as a part of the caller's transaction;
-- after the commit, `sse.sequence` moves it to `sse.log` under the next offset. `sse.append`, which the
-- nodes of a hub call, moves what is in the outbox and then appends its own events. Both hold the lock of
-- the one row of `sse.meta`; a publishing transaction never does, so it waits for nobody.

do $$ begin
  if pg_catalog.getdatabaseencoding() <> 'UTF8' then
    raise exception 'the encoding of this database is %, and sse-kit needs UTF8',
      pg_catalog.getdatabaseencoding();
  end if;
end $$;

create schema if not exists sse;

-- The version of this schema.
create function sse.version() returns integer language sql immutable as 'select 1';

-- Numbers of commits. An event draws one in its transaction and a second one at the commit, so events
-- about one row that the app has locked are in the order of the commits.
create sequence sse.commit_number;

-- The state of the log: one row.
create table sse.meta (
  one boolean primary key default true check (one),
  epoch text not null check (epoch ~ '^[1-9a-f][0-9a-f]{0,15}$'),
  -- The offset of the newest event.
  last bigint not null default 0 check (last >= 0),
  -- No event up to this offset can be read in this epoch.
  floor bigint not null default 0,
  -- All events up to this offset were trimmed.
  trimmed bigint not null default 0,
  -- The last shared id of each earlier epoch that this one continues, the oldest epoch first.
  lineage text[] not null default '{}',
  -- The running server: see `sse.server`.
  server text not null,
  -- The node that moves events at short intervals, and until when it surely does.
  awake text not null default '',
  awake_until timestamptz not null default '-infinity'
);

-- Events that were published in a transaction and have no offset yet.
create table sse.outbox (
  id bigint generated always as identity primary key,
  n bigint not null default nextval('sse.commit_number'),
  -- The topics, sorted; none for every connection.
  topics text[] not null check (cardinality(topics) <= 32 and pg_column_size(topics) <= 16384),
  -- The event as `text/event-stream` without an id.
  event bytea not null check (octet_length(event) between 1 and 8388608),
  -- The key for conflation, or ''.
  key bytea not null default '' check (octet_length(key) <= 256),
  -- The connections that do not receive the event, separated by spaces.
  left_out text not null default '' check (octet_length(left_out) <= 262144),
  -- The idempotency key and its scope.
  once_scope text,
  once_key text,
  at timestamptz not null default clock_timestamp()
);
create index on sse.outbox (n);
-- Rows stay for milliseconds: vacuum early, whatever the size.
alter table sse.outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- The events, with dense offsets.
create table sse.log (
  o bigint primary key,
  topics text[] not null check (cardinality(topics) <= 32 and pg_column_size(topics) <= 16384),
  event bytea not null check (octet_length(event) between 1 and 8388608),
  key bytea not null default '' check (octet_length(key) <= 256),
  left_out text not null default '' check (octet_length(left_out) <= 262144),
  -- A random number, to tell this event from another one that had the same offset.
  tag bigint not null default (random() * 9007199254740992)::bigint,
  at timestamptz not null default clock_timestamp()
);

-- The idempotency keys of the last two minutes.
create table sse.once (
  scope text not null,
  key text not null check (octet_length(key) <= 128),
  digest text not null,
  -- The offset; null until the event has one.
  o bigint,
  at timestamptz not null default clock_timestamp(),
  primary key (key, scope)
);
create index on sse.once (at);

-- The last batch that each node has appended, with its outcomes, for a node that lost the reply.
create table sse.nodes (
  node text primary key,
  batch bigint not null,
  outcomes text[] not null,
  at timestamptz not null default clock_timestamp()
);

-- Identifies the running server: the database cluster, its timeline, and the start of the server. It
-- differs after a failover, after a restore, and after a restart, which may have been one of an older copy.
create function sse.server() returns text language plpgsql set search_path = '' as $$
declare
  found text := extract(epoch from pg_catalog.pg_postmaster_start_time())::text;
begin
  -- Some providers do not allow these, or have no timeline.
  begin
    return (select system_identifier from pg_catalog.pg_control_system()) || ' '
      || substr(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_lsn()), 1, 8) || ' ' || found;
  exception when others then
    return found;
  end;
end $$;

create function sse.random_epoch() returns text language sql volatile as $$
  -- The 13th digit of such a UUID is a 4, so there is a first digit that is not 0.
  select ltrim(left(replace(gen_random_uuid()::text, '-', ''), 16), '0')
$$;

-- Begins a new epoch, which continues the one of `m` up to the offset `shared`; none if that is null.
create function sse.begin_epoch(m sse.meta, shared bigint) returns sse.meta
language plpgsql set search_path = '' as $$
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
  perform pg_catalog.pg_notify('sse', 'log');
  return m;
end $$;

-- Returns `true` if the log holds what a node has seen of it: offsets up to `seen`, and an event with
-- this tag at the offset `place`, unless it was trimmed.
create function sse.holds(m sse.meta, epoch text, seen bigint, place bigint, tag bigint) returns boolean
language sql stable set search_path = '' as $$
  select m.epoch <> holds.epoch or (m.last >= holds.seen and not exists (
    select from sse.log where log.o = holds.place and log.tag <> holds.tag))
$$;

-- Locks the log, and begins a new epoch if offsets may be assigned a second time.
create function sse.lock(epoch text, seen bigint, place bigint, tag bigint) returns sse.meta
language plpgsql set search_path = '' as $$
declare
  m sse.meta;
  through bigint;
begin
  select * into m from sse.meta for update;
  if not found then
    insert into sse.meta (epoch, server) values (sse.random_epoch(), sse.server())
      on conflict do nothing;
    select * into m from sse.meta for update;
    if m.last = 0 then
      -- Nobody knows which epoch these are of.
      delete from sse.log;
      delete from sse.once where o is not null;
    end if;
  end if;
  select max(o) into through from sse.log where o > m.last;
  if through is not null then
    -- Another program has written to the log, or has set its end back.
    m.last := through;
    m := sse.begin_epoch(m, null);
  elsif m.server <> sse.server() then
    -- Nothing has been appended on this server yet, so all that it holds is shared.
    m := sse.begin_epoch(m, m.last);
  elsif not sse.holds(m, epoch, seen, place, tag) then
    m := sse.begin_epoch(m, null);
  end if;
  return m;
end $$;

-- Moves committed events from the outbox to the log, whose lock is held. Returns their number.
create function sse.move(m sse.meta, max_rows integer) returns bigint
language plpgsql set search_path = '' as $$
declare
  moved bigint;
begin
  with taken as (
    delete from sse.outbox where id = any (array(select id from sse.outbox order by n limit max_rows))
    returning *
  ), numbered as (
    select *, m.last + row_number() over (order by n, id) as o from taken
  ), added as (
    insert into sse.log (o, topics, event, key, left_out)
    select o, topics, event, key, left_out from numbered
  ), known as (
    update sse.once set o = numbered.o, at = clock_timestamp() from numbered
    where once.key = numbered.once_key and once.scope = numbered.once_scope
  )
  select count(*) into moved from numbered;
  if moved > 0 then
    update sse.meta set last = m.last + moved;
    perform pg_catalog.pg_notify('sse', 'log');
  end if;
  return moved;
end $$;

-- Moves committed events from the outbox to the log, and keeps `node` awake for `stay` if there were
-- some. Returns their number, or -1 if another node is awake. The other arguments are what the node has
-- seen: see `sse.holds`.
create function sse.sequence(
  node text, stay interval, max_rows integer, epoch text, seen bigint, place bigint, tag bigint
) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  m sse.meta;
  moved bigint;
begin
  select * into m from sse.meta;
  if found and m.server = sse.server() and sse.holds(m, epoch, seen, place, tag) then
    if m.awake <> node and m.awake_until > clock_timestamp() then
      return -1;
    end if;
    if not exists (select from sse.outbox) and not exists (select from sse.log where o > m.last) then
      return 0;
    end if;
  end if;
  m := sse.lock(epoch, seen, place, tag);
  moved := sse.move(m, max_rows);
  if moved > 0 and (m.awake <> node or m.awake_until < clock_timestamp() + stay / 2) then
    update sse.meta set awake = sequence.node, awake_until = clock_timestamp() + stay;
  end if;
  return moved;
end $$;

-- Lets publishers notify again, because `node` no longer moves events at short intervals.
create function sse.rest(node text) returns void
language sql security definer set search_path = '' as $$
  update sse.meta set awake = '', awake_until = '-infinity' where awake = rest.node
$$;

-- The lock for an idempotency key, which is held until the transaction ends.
create function sse.once_lock(scope text, once text) returns bigint
language sql immutable set search_path = '' as $$
  select pg_catalog.hashtextextended(once || ' ' || scope, 5511)
$$;

-- Puts an event into the outbox. Returns 'published'; 'repeated' if the same event was published under
-- this idempotency key before; or 'reused' if another one was.
create function sse.enqueue(
  topics text[], event bytea, key bytea, left_out text, once text default null
) returns text
language plpgsql security definer set search_path = '' as $$
declare
  its_scope text := md5(array_to_string(topics, E'\n'));
  its_digest text := md5(event || E'\\x00'::bytea || key);
begin
  if once is null then
    insert into sse.outbox (topics, event, key, left_out)
    values (enqueue.topics, enqueue.event, enqueue.key, enqueue.left_out);
    return 'published';
  end if;
  perform pg_catalog.pg_advisory_xact_lock(sse.once_lock(its_scope, once));
  insert into sse.once as known (scope, key, digest) values (its_scope, once, its_digest)
  on conflict on constraint once_pkey do update set digest = excluded.digest, o = null, at = clock_timestamp()
  where known.o is not null and known.at < clock_timestamp() - interval '120 s';
  if not found then
    if exists (select from sse.once as known where known.scope = its_scope
        and known.key = enqueue.once and known.digest = its_digest) then
      return 'repeated';
    end if;
    return 'reused';
  end if;
  insert into sse.outbox (topics, event, key, left_out, once_scope, once_key)
  values (enqueue.topics, enqueue.event, enqueue.key, enqueue.left_out, its_scope, once);
  return 'published';
end $$;

-- Encodes an event as `text/event-stream`.
create function sse.encode(name text, data text) returns bytea
language sql immutable set search_path = '' as $$
  select convert_to(
    case when name is null or name = 'message' then '' else 'event: ' || name || E'\n' end
      || 'data: ' || regexp_replace(data, E'\r\n|\r|\n', E'\ndata: ', 'g') || E'\n', 'UTF8')
$$;

-- Returns the rule that a topic or a name breaks, or null.
create function sse.broken_rule(word text) returns text
language sql immutable set search_path = '' as $$
  select case
    when word = '' then 'is empty'
    when octet_length(word) > 256 then 'has more than 256 bytes'
    when word ~ '[\u0001-\u001f\u007f-\u009f]' then 'contains a control character'
    when word like 'sse-kit:%' then 'begins with `sse-kit:`, which is reserved'
  end
$$;

-- Publishes an event in the caller's transaction: it exists if and only if the transaction commits.
--
--   topic  the topic, such as 'orders:17'
--   name   the name that pages listen for; null for none
--   data   the data, such as a piece of HTML
--   key    the key for conflation: a slow page needs only the newest event of a key; null for none
--   once   the idempotency key: within two minutes, the same event is published once; null for none
--
-- Returns false if the event was published before under the same idempotency key.
create function sse.publish(
  topic text, name text default null, data text default '', key text default null, once text default null
) returns boolean
language plpgsql security definer set search_path = '' as $$
declare
  rule text := case
    when topic is null then 'is missing'
    when topic like '%*%' then 'contains `*`; only subscriptions may use patterns'
    when (':' || topic || ':') like '%::%' and topic <> '' then 'has an empty segment'
    when topic = 'sse-kit' then 'is reserved'
    else sse.broken_rule(topic)
  end;
  outcome text;
begin
  if rule is not null then
    raise exception 'topic % %', quote_nullable(topic), rule using errcode = '22023';
  end if;
  rule := sse.broken_rule(name);
  if rule is not null then
    raise exception 'event name % %', quote_literal(name), rule using errcode = '22023';
  end if;
  if data is null then
    raise exception 'the data of an event is null' using errcode = '22023';
  end if;
  if key = '' or octet_length(key) > 256 then
    raise exception 'event key % has not 1 to 256 bytes', quote_literal(key) using errcode = '22023';
  end if;
  if once !~ '^[!-~]{1,128}$' then
    raise exception 'idempotency key % has not 1 to 128 visible ASCII characters', quote_literal(once)
      using errcode = '22023';
  end if;
  outcome := sse.enqueue(array[topic], sse.encode(name, data),
    convert_to(coalesce(key, ''), 'UTF8'), '', once);
  if outcome = 'reused' then
    raise exception 'the idempotency key % was already used for another event', quote_literal(once)
      using errcode = 'SSE01', hint = 'Choose a new key.';
  end if;
  return outcome = 'published';
end $$;

-- Runs at the commit of a publishing transaction: draws the number of the commit, and wakes a node if
-- none is awake. `set local sse.notify = off` leaves the notification out, which a prepared transaction
-- (two-phase commit) must not have; nodes then find the event within a quarter of a second.
create function sse.at_commit() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  update sse.outbox set n = nextval('sse.commit_number') where id = new.id;
  if not exists (select from sse.meta where awake_until > clock_timestamp())
      and coalesce(current_setting('sse.notify', true), '') <> 'off' then
    perform pg_catalog.pg_notify('sse', 'wake');
  end if;
  return null;
end $$;

create constraint trigger at_commit after insert on sse.outbox
  deferrable initially deferred for each row execute function sse.at_commit();

-- Returns the offset of an event for one of these topics after the offset `expected`, or null. Where that
-- is unknown, returns the last offset. An offset that an earlier epoch shares is known.
create function sse.newer(m sse.meta, topics text[], epoch text, expected bigint) returns bigint
language plpgsql stable set search_path = '' as $$
begin
  if expected > m.last or expected < greatest(m.trimmed, m.floor)
      or m.epoch <> epoch and not exists (select from unnest(m.lineage) as shared (id)
        where split_part(id, '-', 1) = epoch and split_part(id, '-', 2)::bigint >= expected)
      or m.last - expected > 10000
      or (select count(*) from sse.log where o > expected) < m.last - expected then
    return m.last;
  end if;
  return (select max(o) from sse.log where o > expected
    and (log.topics && newer.topics or log.topics = newer.topics));
end $$;

-- Appends the events of a node, after those in the outbox. One append is one or more records that follow
-- one another; `items` has the number of the append of each record, from 1 without holes. Returns the
-- outcome of each append: 'appended', 'repeated', 'reused' or 'conflict' with an id, or 'busy' if the node
-- has to try again. A batch that was appended before has the same outcomes again.
create function sse.append(
  node text, batch bigint, epoch text, seen bigint, place bigint, tag bigint,
  items integer[], topics text[], events bytea[], keys bytea[], left_out text[],
  once_scopes text[], once_keys text[], digests text[], expected_epochs text[], expected bigint[]
) returns text[]
language plpgsql security definer set search_path = '' as $$
declare
  m sse.meta := sse.lock(epoch, seen, place, tag);
  before sse.nodes;
  outcomes text[] := '{}';
  outcome text;
  known sse.once;
  moved bigint;
  newest bigint;
  start bigint;
  at integer := 1;
begin
  select * into before from sse.nodes where nodes.node = append.node;
  if found and before.batch >= batch then
    if before.batch > batch then
      raise exception 'batch % of this node is too late', batch using errcode = '55000';
    end if;
    return before.outcomes;
  end if;
  for round in 1..20 loop
    moved := sse.move(m, 1000);
    m.last := m.last + moved;
    exit when moved < 1000;
  end loop;
  if moved = 1000 then
    return array_fill('busy'::text, array[cardinality(once_keys)]);
  end if;
  start := m.last;
  for item in 1..cardinality(once_keys) loop
    outcome := null;
    if once_keys[item] is not null then
      once_scopes[item] := md5(once_scopes[item]);
      if not pg_catalog.pg_try_advisory_xact_lock(sse.once_lock(once_scopes[item], once_keys[item])) then
        outcome := 'busy';
      else
        select * into known from sse.once as k where k.scope = once_scopes[item] and k.key = once_keys[item]
          and (k.o is null or k.at >= clock_timestamp() - interval '120 s');
        if found and known.o is null then
          outcome := 'busy';
        elsif found then
          outcome := case when known.digest = digests[item] then 'repeated ' else 'reused ' end
            || m.epoch || '-' || known.o;
        end if;
      end if;
    end if;
    if outcome is null and expected[item] is not null then
      newest := sse.newer(m, string_to_array(topics[at], E'\n'), expected_epochs[item], expected[item]);
      outcome := 'conflict ' || m.epoch || '-' || newest;
    end if;
    if outcome is null then
      outcome := 'appended ' || m.epoch || '-' || (m.last + 1);
      if once_keys[item] is not null then
        insert into sse.once (scope, key, digest, o)
        values (once_scopes[item], once_keys[item], digests[item], m.last + 1)
        on conflict on constraint once_pkey do update set digest = excluded.digest, o = excluded.o, at = excluded.at;
      end if;
      while at <= cardinality(items) and items[at] = item loop
        m.last := m.last + 1;
        insert into sse.log (o, topics, event, key, left_out) values
          (m.last, string_to_array(topics[at], E'\n'), events[at], keys[at], append.left_out[at]);
        at := at + 1;
      end loop;
    else
      while at <= cardinality(items) and items[at] = item loop
        at := at + 1;
      end loop;
    end if;
    outcomes := outcomes || outcome;
  end loop;
  if m.last > start then
    update sse.meta set last = m.last;
    perform pg_catalog.pg_notify('sse', 'log');
  end if;
  insert into sse.nodes (node, batch, outcomes) values (node, batch, outcomes)
  on conflict on constraint nodes_pkey do update
    set batch = excluded.batch, outcomes = excluded.outcomes, at = excluded.at;
  return outcomes;
end $$;

-- Deletes events beyond the newest `keep`, and events older than `keep_for` unless that is null; at most
-- 5,000. Returns their number. Also deletes old idempotency keys and nodes.
create function sse.trim(keep bigint, keep_for interval) returns bigint
language plpgsql security definer set search_path = '' as $$
declare
  m sse.meta;
  through bigint;
  trimmed bigint := 0;
begin
  select * into m from sse.meta for update skip locked;
  if not found then
    return 0;
  end if;
  through := m.last - keep;
  if keep_for is not null then
    through := greatest(through, (select max(o) from
      (select o, at from sse.log where o > m.trimmed order by o limit 5000) as oldest
      where at < clock_timestamp() - keep_for));
  end if;
  through := least(through, m.trimmed + 5000);
  if through > m.trimmed then
    delete from sse.log where o > m.trimmed and o <= through;
    get diagnostics trimmed = row_count;
    update sse.meta set trimmed = through;
  end if;
  delete from sse.once where at < clock_timestamp() - interval '120 s'
    and (o is not null or at < clock_timestamp() - interval '7 days');
  delete from sse.nodes where at < clock_timestamp() - interval '1 day';
  return trimmed;
end $$;

-- Everybody who may use the schema may publish; the rest is for nodes. Give a role that publishes
-- `usage on schema sse`, and a role of nodes also `execute on all functions in schema sse` and
-- `select on all tables in schema sse`.
revoke execute on all functions in schema sse from public;
grant execute on function sse.version() to public;
grant execute on function sse.publish(text, text, text, text, text) to public;
grant execute on function sse.enqueue(text[], bytea, bytea, text, text) to public;
