-- Publishing in the caller's transaction.
--
-- `sse.publish` calls its helpers in every transaction. PostgreSQL writes a `language sql` function of one
-- expression into the plan of its caller, which a session keeps; but one that has a `set` clause, reads a
-- table, or claims to be more stable than its parts is planned anew in each call, which takes longer than
-- all else. So the helpers have no `set` clause; `sse.publish` has it for them.

-- The lock for an idempotency key, which is held until the transaction ends.
create function sse.once_lock(scope text, once text) returns bigint language sql immutable as $$
  select pg_catalog.hashtextextended(once || ' ' || scope, 5511)
$$;

-- Encodes an event as `text/event-stream`. It is stable because `convert_to` is no more than that.
create function sse.encode(name text, data text) returns bytea language sql stable as $$
  select convert_to(
    case when name is null or name = 'message' then '' else 'event: ' || name || E'\n' end || 'data: '
      || replace(replace(replace(data, E'\r\n', E'\n'), E'\r', E'\n'), E'\n', E'\ndata: ') || E'\n',
    'UTF8')
$$;

-- Returns the rule that a text of any kind breaks, or null.
create function sse.broken_rule(word text) returns text language sql immutable as $$
  select case
    when word = '' then 'is empty'
    when octet_length(word) > 256 then 'has more than 256 bytes'
    when word ~ '[\u0001-\u001f\u007f-\u009f]' then 'contains a control character'
    when starts_with(word, 'sse-kit:') then 'begins with `sse-kit:`, which is reserved'
  end
$$;

-- Returns the rule that a topic breaks, or null.
create function sse.topic_rule(topic text) returns text language sql immutable as $$
  select case
    when topic is null then 'is missing'
    when strpos(topic, '*') > 0 then 'contains `*`; only subscriptions may use patterns'
    when topic <> '' and strpos(':' || topic || ':', '::') > 0 then 'has an empty segment'
    when topic = 'sse-kit' then 'is reserved'
    else sse.broken_rule(topic)
  end
$$;

-- Returns the rule that the name of an event breaks, or null.
create function sse.name_rule(name text) returns text language sql immutable as $$
  select case
    when name in ('open', 'error') then 'is one that browsers dispatch about the connection itself'
    else sse.broken_rule(name)
  end
$$;

-- Puts an event into the outbox. Returns 'published'; 'repeated' if the same event was published under
-- this idempotency key before; or 'reused' if another one was.
create function sse.enqueue(
  topics text[], event bytea, key bytea, left_out text, once text default null
) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  topic text;
  its_scope text;
  its_digest text;
  known_digest text;
begin
  foreach topic in array topics loop
    if sse.topic_rule(topic) is not null then
      raise exception 'topic % %', quote_nullable(topic), sse.topic_rule(topic) using errcode = '22023';
    end if;
  end loop;
  -- Nodes check the rest when they read it.
  if substr(event, octet_length(event)) <> E'\\x0a'::bytea
      or substr(event, 1, 15) = 'event: sse-kit:'::bytea
      or substr(event, 1, 12) = E'event: open\\012'::bytea
      or substr(event, 1, 13) = E'event: error\\012'::bytea then
    raise exception 'the event is not one that an app may publish' using errcode = '22023';
  end if;
  if once is null then
    insert into sse.outbox (topics, event, key, left_out)
    values (enqueue.topics, enqueue.event, enqueue.key, enqueue.left_out);
    return 'published';
  end if;
  its_scope := md5(array_to_string(topics, E'\n'));
  its_digest := md5(event || E'\\x00'::bytea || key);
  perform pg_advisory_xact_lock(sse.once_lock(its_scope, once));
  -- Without a lock of the row, which would stop `sse.move` until this transaction ends.
  select known.digest into known_digest from sse.once as known
  where known.key = enqueue.once and known.scope = its_scope
    and (known.o is null or known.at >= clock_timestamp() - interval '120 s');
  if found then
    return case when known_digest = its_digest then 'repeated' else 'reused' end;
  end if;
  insert into sse.once (scope, key, digest) values (its_scope, once, its_digest)
  on conflict on constraint once_pkey
  do update set digest = excluded.digest, o = null, at = excluded.at;
  insert into sse.outbox (topics, event, key, left_out, once_scope, once_key)
  values (enqueue.topics, enqueue.event, enqueue.key, enqueue.left_out, its_scope, once);
  return 'published';
end $$;

-- Publishes an event in the caller's transaction: it exists if and only if the transaction commits.
--
--   topic  the topic, such as 'orders:17'
--   name   the name that pages listen for; null for none
--   data   the data, such as a piece of HTML
--   key    the key for conflation: a slow page needs only the newest event of a key; null for none
--   once   the idempotency key: within two minutes, the same event is published once; null for none
--
-- Returns false if the event was published before under the same idempotency key.
--
-- `set local sse.traceparent = '00-…'` links the events of a transaction to the trace of the request.
create function sse.publish(
  topic text, name text default null, data text default '', key text default null, once text default null
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  outcome text;
begin
  if sse.topic_rule(topic) is not null then
    raise exception 'topic % %', quote_nullable(topic), sse.topic_rule(topic) using errcode = '22023';
  end if;
  if name is not null and sse.name_rule(name) is not null then
    raise exception 'event name % %', quote_literal(name), sse.name_rule(name) using errcode = '22023';
  end if;
  if data is null then
    raise exception 'the data of an event is null' using errcode = '22023';
  end if;
  if key = '' or octet_length(key) > 256 then
    raise exception 'event key % has not 1 to 256 bytes', quote_literal(key) using errcode = '22023';
  end if;
  if once is null then
    insert into sse.outbox (topics, event, key) values
      (array[topic], sse.encode(name, data), convert_to(coalesce(publish.key, ''), 'UTF8'));
    return true;
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

-- Runs at the commit of a publishing transaction, for each event: draws its number, and wakes a node if none
-- is awake. It reads nothing that other publishers write, so that `serializable` transactions have no
-- conflict over it. `set local sse.notify = off` leaves the notification out, which a prepared transaction
-- (two-phase commit) must not have; nodes then find the event within a quarter of a second.
create function sse.at_commit() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into sse.commits (id) values (new.id);
  -- A lease of more than a minute is one of a clock that was set back.
  if not exists (select from sse.meta where awake_until > clock_timestamp()
        and awake_until < clock_timestamp() + interval '1 minute')
      and coalesce(current_setting('sse.notify', true), '') <> 'off' then
    perform pg_notify('sse', 'wake');
  end if;
  return null;
end $$;

create constraint trigger at_commit after insert on sse.outbox
  deferrable initially deferred for each row execute function sse.at_commit();

