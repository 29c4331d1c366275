-- Announces the members of a topic on one node, or only reads them, and forgets silent nodes.
--
-- KEYS  1 a hash of node to 'expiry members'
-- ARGV  1 the node, or '' to read only   2 the lifetime of the announcement, in milliseconds   3 the members, as JSON
--
-- Returns the last announcement of each node.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[1] ~= '' then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[2]) .. ' ' .. ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
local said = {}
local all = redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  local blank = string.find(all[i + 1], ' ', 1, true)
  if tonumber(string.sub(all[i + 1], 1, blank - 1)) <= now then
    redis.call('HDEL', KEYS[1], all[i])
  else
    said[#said + 1] = string.sub(all[i + 1], blank + 1)
  end
end
return said
