-- Checks the log for one node, and repairs it. Returns
-- {epoch, since, first, last, server, proven (1 or 0), foreign entries removed so far}.
--
-- It creates a log that does not exist, begins a new epoch if the end of the log was lost, removes
-- foreign entries that would block the log, and trims records that are too old.
--
-- KEYS  1 the stream   2 its metadata, a hash   3 the nodes: a hash of node to 'server time'
-- ARGV  1 the epoch and 2 the offset of the newest record that the node has read, '' and 0 for none
--       3 the random text of that record, or ''   4 the maximum age of records in milliseconds, 0 for none
--       5 a random text   6 the node   7 the newest offset of that epoch that the node knows of
--       8 the time to wait for nodes after a change of servers, in milliseconds

-- The age in milliseconds at which a silent node counts as gone.
local STALE = 10000

local info = redis.call('INFO', 'replication')
if string.find(info, 'role:slave', 1, true) then
  return redis.error_reply('READONLY this server is a replica')
end
-- The replication id changes when the server starts, and when a replica becomes the primary.
local server = string.match(info, 'master_replid:(%x+)') or 'unknown'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number) return string.format('%.0f', number) end

local function new_epoch()
  local hash = redis.sha1hex(time[1] .. '.' .. time[2] .. '.' .. ARGV[5])
  return (string.gsub(string.sub(hash, 1, 16), '^0+', ''))
end

-- Runs a command. Returns its error, or nil.
local function refusal(...)
  local answer = redis.pcall(...)
  return type(answer) == 'table' and answer.err or nil
end

-- Returns the offset and one field of the first record at or after an offset.
local function record_from(offset, field)
  local found = redis.call('XRANGE', KEYS[1], text(offset), '+', 'COUNT', 1)[1]
  if not found then return nil end
  for i = 1, #found[2], 2 do
    if found[2][i] == field then
      return tonumber(string.match(found[1], '^%d+')), found[2][i + 1]
    end
  end
  return tonumber(string.match(found[1], '^%d+')), ''
end

-- Remove keys of a wrong type, which another program has put in place of the log.
local removed = 0
for key, right in pairs({[KEYS[1]] = 'stream', [KEYS[2]] = 'hash', [KEYS[3]] = 'hash'}) do
  local found = redis.call('TYPE', key).ok
  if found ~= 'none' and found ~= right then
    redis.call('DEL', key)
    removed = removed + 1
    if key == KEYS[1] then redis.call('DEL', KEYS[2]) end
  end
end

local meta = redis.call('HMGET', KEYS[2], 'epoch', 'since', 'last', 'server', 'call', 'blocked', 'removed')
local epoch, since, last = meta[1], meta[2], meta[3]

local function begin_epoch()
  epoch, since = new_epoch(), last
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'since', since)
end

local is_new = not (epoch and string.match(epoch, '^[1-9a-f]%x*$') and tonumber(since) and tonumber(last))
local lost = is_new
if is_new then
  last = '0'
  redis.call('HSET', KEYS[2], 'last', last, 'server', server)
  redis.call('DEL', KEYS[1], KEYS[3])
  meta[4] = server
elseif epoch == ARGV[1] then
  lost = tonumber(last) < tonumber(ARGV[7])
  if not lost and ARGV[3] ~= '' then
    local offset, once = record_from(ARGV[2], 'once')
    lost = offset == tonumber(ARGV[2]) and once ~= ARGV[3]
  end
end
if lost then begin_epoch() end

-- Returns the other nodes that have not checked in since the server changed, and whether to wait for
-- one of them.
local function absent()
  local others, newest = {}, 0
  local all = redis.call('HGETALL', KEYS[3])
  for i = 1, #all, 2 do
    local on, at = string.match(all[i + 1], '^(%x+) (%d+)$')
    if on ~= server and all[i] ~= ARGV[6] then
      others[#others + 1] = {all[i], tonumber(at) or 0}
      newest = math.max(newest, tonumber(at) or 0)
    end
  end
  local waited_for = false
  for _, other in ipairs(others) do
    waited_for = waited_for or other[2] > newest - STALE
  end
  return others, waited_for
end

-- A new server may lack the end of the log. It is proven to have the whole log once every node has
-- checked in and none knows of more. If a node does not check in in time, the epoch changes.
local is_proven = meta[4] == server
local is_noted = not refusal('HSET', KEYS[3], ARGV[6], server .. ' ' .. text(now))
if not is_proven then
  local others, waited_for = absent()
  local on, began = string.match(meta[5] or '', '^(%x+) (%d+)$')
  if not lost and waited_for then
    if on ~= server then
      refusal('HSET', KEYS[2], 'call', server .. ' ' .. text(now))
    elseif now - tonumber(began) >= tonumber(ARGV[8]) then
      begin_epoch()
      waited_for = false
    end
  end
  if lost or not waited_for then
    is_proven = not refusal('HSET', KEYS[2], 'server', server)
    for _, other in ipairs(others) do redis.call('HDEL', KEYS[3], other[1]) end
  end
elseif is_noted and ARGV[2] == last and ARGV[1] == epoch then
  -- This node has read everything that a silent node can have read, so silent nodes are forgotten.
  local all = redis.call('HGETALL', KEYS[3])
  for i = 1, #all, 2 do
    local at = tonumber(string.match(all[i + 1], '%d+$'))
    if not at or at < now - STALE then redis.call('HDEL', KEYS[3], all[i]) end
  end
end

-- Copies the newest records into a new stream, if Redis refuses to lower the last id of the stream.
local function rebuild()
  local kept, bytes, upper = {}, 0, last .. '-0'
  while #kept < 1000 and bytes < 4194304 do
    local record = redis.call('XREVRANGE', KEYS[1], upper, '-', 'COUNT', 1)[1]
    if not record then break end
    kept[#kept + 1] = record
    upper = '(' .. record[1]
    for _, field in ipairs(record[2]) do bytes = bytes + #field end
  end
  redis.call('DEL', KEYS[1])
  for i = #kept, 1, -1 do redis.call('XADD', KEYS[1], kept[i][1], unpack(kept[i][2])) end
end

-- Remove entries after the last record: they are foreign, and no record could follow them.
local blocked = meta[6]
while true do
  local foreign = redis.call('XRANGE', KEYS[1], '(' .. last .. '-0', '+', 'COUNT', 100)
  if #foreign == 0 then break end
  for _, entry in ipairs(foreign) do redis.call('XDEL', KEYS[1], entry[1]) end
  removed, blocked = removed + #foreign, true
end
if blocked then
  if redis.call('EXISTS', KEYS[1]) == 1 and refusal('XSETID', KEYS[1], last .. '-0') then rebuild() end
  redis.call('HDEL', KEYS[2], 'blocked')
end
if removed > 0 then redis.call('HINCRBY', KEYS[2], 'removed', removed) end

local max_age = tonumber(ARGV[4])
if max_age > 0 then
  local oldest = now - max_age
  local first, at = record_from(0, 'at')
  if first and (tonumber(at) or 0) < oldest then
    -- Binary search between `first`, which is too old, and `keep`, the first record to keep.
    local keep = tonumber(last) + 1
    while keep - first > 1 do
      local middle = math.floor((first + keep) / 2)
      local found, found_at = record_from(middle, 'at')
      if not found or (tonumber(found_at) or 0) >= oldest then keep = middle else first = math.max(middle, found) end
    end
    redis.call('XTRIM', KEYS[1], 'MINID', text(keep))
  end
end

local first = record_from(0, 'at')
return {epoch, since, first and text(first) or '0', last, server, is_proven and 1 or 0,
  text((tonumber(meta[7]) or 0) + removed)}
