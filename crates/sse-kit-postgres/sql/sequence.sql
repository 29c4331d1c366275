-- Moving events from the outbox to the log.

-- Returns the numbers and the ids of events in the outbox whose transactions have committed: the oldest, and
-- at most so many; null if there are none.
--
-- When the session found none the last time, it kept its snapshot. A transaction that has committed since was
-- running then, which the snapshot says, or has begun since. So rows are found by their transactions, past
-- those that were moved before, which stay in the table while an old transaction is open. A session without
-- a snapshot searches everything.
create function sse.due(most integer, out numbers bigint[], out ids bigint[])
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  seen pg_snapshot := nullif(current_setting('sse.seen', true), '');
  latest pg_snapshot := pg_current_snapshot();
begin
  if seen is null then
    select array_agg(n order by n), array_agg(id order by n) into numbers, ids
    from (select n, id from sse.commits order by n limit most) as oldest;
  else
    -- Materialized: the planner might find the oldest by their numbers otherwise, past all old rows.
    with later as materialized (
      select n, id from sse.commits where x >= pg_snapshot_xmax(seen)
      union all
      select n, id from sse.commits where x = any (array(select pg_snapshot_xip(seen)))
    )
    select array_agg(n order by n), array_agg(id order by n) into numbers, ids
    from (select n, id from later order by n limit most) as oldest;
  end if;
  if coalesce(cardinality(ids), 0) < most then
    -- It takes effect with the commit, as the move does.
    perform set_config('sse.seen', latest::text, false);
  end if;
end $$;

-- Moves committed events from the outbox to the log, whose lock is held. Returns their number.
create function sse.move(m sse.meta, max_rows integer) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  due record;
  moved bigint;
begin
  due := sse.due(max_rows);
  if due.ids is null then
    return 0;
  end if;
  delete from sse.commits where n = any (due.numbers);
  with taken as (
    delete from sse.outbox where id = any (due.ids) returning *
  ), numbered as (
    select taken.*, m.last + row_number() over (order by place) as o
    from taken join unnest(due.ids) with ordinality as places (id, place) using (id)
  ), added as (
    insert into sse.log (o, topics, event, key, left_out, trace)
    select o, topics, event, key, left_out, trace from numbered
  ), known as (
    update sse.once set o = numbered.o, at = clock_timestamp() from numbered
    where once.key = numbered.once_key and once.scope = numbered.once_scope
  )
  select count(*) into moved from numbered;
  if moved > 0 then
    perform pg_notify('sse', 'log');
  end if;
  return moved;
end $$;

-- Moves committed events from the outbox to the log, and keeps `node` awake for `stay` if there were
-- some. Returns their number, or -1 if another node is awake. The other arguments are what the node has
-- seen: see `sse.holds`.
--
-- Plans that read a whole table are ruled out: the planner knows these as empty, and they are full of rows
-- that were deleted. `jit` would take those plans that are left for expensive ones.
create function sse.sequence(
  node text, stay interval, max_rows integer, epoch text, seen bigint, place bigint, tag bigint
) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off set plan_cache_mode = force_generic_plan as $$
declare
  m sse.meta := sse.state();
  moved bigint;
begin
  if m.server = sse.server() and sse.holds(m, epoch, seen, place, tag) then
    -- A lease that lasts longer is one of a clock that was set back.
    if m.awake <> node and m.awake_until > clock_timestamp()
        and m.awake_until <= clock_timestamp() + stay then
      return -1;
    end if;
    if (sse.due(1)).ids is null then
      return 0;
    end if;
  end if;
  m := sse.lock(epoch, seen, place, tag);
  moved := sse.move(m, max_rows);
  if moved > 0 and (m.awake <> node or m.awake_until < clock_timestamp() + stay / 2
      or m.awake_until > clock_timestamp() + stay) then
    update sse.meta set awake = sequence.node, awake_until = clock_timestamp() + stay, last = m.last + moved;
  end if;
  return moved;
end $$;

-- Lets publishers notify again, because `node` no longer moves events at short intervals.
create function sse.rest(node text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
  update sse.meta set awake = '', awake_until = '-infinity',
    last = greatest(last, (select max(o) from sse.log))
  where awake = rest.node
$$;

