-- Appending the events that a hub publishes.

-- Returns the offset of an event for one of these topics after the offset `expected`, or null. Where that
-- is unknown, returns the last offset. An offset that an earlier epoch shares is known.
create function sse.newer(m sse.meta, topics text[], epoch text, expected bigint) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
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
  items integer[], topics text[], events bytea[], keys bytea[], left_out text[], traces text[],
  once_scopes text[], once_keys text[], digests text[], expected_epochs text[], expected bigint[]
) returns text[]
language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
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
  select * into before from sse.nodes where nodes.node = append.node order by nodes.batch desc limit 1;
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
      if not pg_try_advisory_xact_lock(sse.once_lock(once_scopes[item], once_keys[item])) then
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
        insert into sse.log (o, topics, event, key, left_out, trace) values
          (m.last, string_to_array(topics[at], E'\n'), events[at], keys[at], append.left_out[at], traces[at]);
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
    perform pg_notify('sse', 'log');
  end if;
  -- A row for each batch, and the one before is deleted: each is found at once, whatever old ones remain.
  insert into sse.nodes (node, batch, outcomes) values (node, batch, outcomes);
  delete from sse.nodes where nodes.node = append.node and nodes.batch = append.batch - 1;
  return outcomes;
end $$;

