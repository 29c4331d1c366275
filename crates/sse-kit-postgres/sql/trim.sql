-- Retention.

-- Deletes events beyond the newest `keep`, and events older than `keep_for` unless that is null; old
-- idempotency keys and nodes, and none that an open transaction has; at most 5,000 of each. Returns the number
-- of events or that of keys, whichever is larger, or -1 if another session has the log.
create function sse.trim(keep bigint, keep_for interval) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp set enable_seqscan = off set jit = off as $$
declare
  m sse.meta;
  through bigint;
  trimmed bigint := 0;
  forgotten bigint;
begin
  delete from sse.once where ctid = any (array(
    select ctid from sse.once where at < clock_timestamp() - interval '120 s'
      and (o is not null or at < clock_timestamp() - interval '7 days')
    order by at limit 5000 for update skip locked));
  get diagnostics forgotten = row_count;
  delete from sse.nodes where ctid = any (array(
    select ctid from sse.nodes where at < clock_timestamp() - interval '1 day'
    limit 5000 for update skip locked));
  select * into m from sse.meta for update skip locked;
  if not found then
    return case when exists (select from sse.meta) then -1 else forgotten end;
  end if;
  m.last := greatest(m.last, (select max(o) from sse.log));
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
    update sse.meta set trimmed = through, last = m.last;
  end if;
  return greatest(trimmed, forgotten);
end $$;

