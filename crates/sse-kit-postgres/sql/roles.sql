-- Everybody who may use the schema may publish; the rest is for nodes. Give a role that publishes
-- `usage on schema sse`, and a role of nodes also `execute on all functions in schema sse` and
-- `select on all tables in schema sse`.
revoke execute on all functions in schema sse from public;
grant execute on function sse.version() to public;
grant execute on function sse.publish(text, text, text, text, text) to public;
grant execute on function sse.enqueue(text[], bytea, bytea, text, text) to public;
