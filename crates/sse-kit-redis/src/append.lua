-- Appends one record to the log, at the next offset, and returns {epoch, offset, server}.
--
-- KEYS  1 the stream   2 what is known of it   3 the idempotency key
-- ARGV  1 topic, '' for everybody   2 encoded event   3 conflation key, or ''
--       4 connections to leave out, with blanks between, or ''
--       5 a random text, the same when the same append is tried again
--       6 how many records to keep   7 for how long to know the idempotency key, in milliseconds
--       8 the epoch and 9 the offset of the newest record that the publisher has seen, '' and 0 for none
--
-- An error that begins with REFUSED says that nothing was written, and then why. After UNPROVEN and
-- FOREIGN, the nodes of the log put it right within a moment: then the append is to be tried again.

-- It changes when the server starts, and when a replica becomes the primary.
local server = string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or 'unknown'

local known = redis.pcall('GET', KEYS[3])
if type(known) == 'string' and known ~= '' then
  local dash = string.find(known, '-', 1, true)
  return {string.sub(known, 1, dash - 1), string.sub(known, dash + 1), server}
end

local time = redis.call('TIME')
local function new_epoch()
  local hash = redis.sha1hex(time[1] .. '.' .. time[2] .. '.' .. ARGV[5])
  return (string.gsub(string.sub(hash, 1, 16), '^0+', ''))
end

-- Runs a command, and returns what Redis said against it, or nil.
local function refusal(...)
  local answer = redis.pcall(...)
  return type(answer) == 'table' and answer.err or nil
end

-- Writes the idempotency key, the offset and the record: all of them, or none.
local function write(epoch, last)
  local offset = string.format('%.0f', last + 1)
  local at = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
  local refused = refusal('SET', KEYS[3], epoch .. '-' .. offset, 'PX', ARGV[7])
  if refused then return nil, refused end
  refused = refusal('HSET', KEYS[2], 'last', offset)
  if not refused then
    refused = refusal('XADD', KEYS[1], 'MAXLEN', '~', ARGV[6], offset .. '-0', 'topic', ARGV[1],
      'event', ARGV[2], 'key', ARGV[3], 'except', ARGV[4], 'once', ARGV[5], 'at', at)
    if refused then redis.call('HSET', KEYS[2], 'last', last) end
    if refused and string.find(refused, 'equal or smaller', 1, true) then
      -- Somebody else has added an entry that comes after this one.
      redis.call('HSET', KEYS[2], 'blocked', '1')
      refused = 'FOREIGN an entry stands where the record would be'
    end
  end
  -- No DEL, which a user of Redis may not be allowed: SET is.
  if refused then redis.call('SET', KEYS[3], '', 'PX', 1) end
  return offset, refused
end

local refused = nil
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'last', 'server')
local epoch, last = meta[1], meta[2]
if not (epoch and tonumber(last)) then
  epoch, last = new_epoch(), '0'
  refused = refusal('HSET', KEYS[2], 'epoch', epoch, 'since', '0', 'last', '0', 'server', server)
    or refusal('DEL', KEYS[1])
elseif meta[3] ~= server then
  -- It may lack the end of the log, and offsets must not be given again.
  refused = 'UNPROVEN ' .. server
elseif epoch == ARGV[8] and tonumber(last) < tonumber(ARGV[9]) then
  -- The end of the log was lost. Its offsets are about to be given again, so the epoch changes.
  epoch = new_epoch()
  refused = refusal('HSET', KEYS[2], 'epoch', epoch, 'since', last)
end

local offset = nil
if not refused then offset, refused = write(epoch, last) end
if refused then return redis.error_reply('REFUSED ' .. refused) end
return {epoch, offset, server}
