-- Says where the log is, {epoch, since, first, last}, after it has dropped what is too old. A log
-- that is not there is made; one whose end was lost gets a new epoch.
--
-- KEYS  1 the stream   2 what is known of it
-- ARGV  1 the epoch and 2 the offset of the newest record that the reader has, '' and 0 for none
--       3 the random text of that record, or ''   4 how long to keep records, in milliseconds, 0 for ever
--       5 a random text

local time = redis.call('TIME')
local function new_epoch()
  local hash = redis.sha1hex(time[1] .. '.' .. time[2] .. '.' .. ARGV[5])
  return (string.gsub(string.sub(hash, 1, 16), '^0+', ''))
end

-- The first record at or after an offset: its offset, and one of its fields.
local function record_from(offset, field)
  local found = redis.call('XRANGE', KEYS[1], string.format('%.0f', offset), '+', 'COUNT', 1)[1]
  if not found then return nil end
  for i = 1, #found[2], 2 do
    if found[2][i] == field then
      return tonumber(string.match(found[1], '^%d+')), found[2][i + 1]
    end
  end
  return tonumber(string.match(found[1], '^%d+')), ''
end

local meta = redis.call('HMGET', KEYS[2], 'epoch', 'since', 'last')
local epoch, since, last = meta[1], meta[2], meta[3]
if not epoch then
  epoch, since, last = new_epoch(), '0', '0'
  redis.call('HSET', KEYS[2], 'epoch', epoch, 'since', since, 'last', last)
  redis.call('DEL', KEYS[1])
elseif epoch == ARGV[1] then
  local lost = tonumber(last) < tonumber(ARGV[2])
  if not lost and ARGV[3] ~= '' then
    local offset, once = record_from(ARGV[2], 'once')
    lost = offset == tonumber(ARGV[2]) and once ~= ARGV[3]
  end
  if lost then
    -- Offsets were lost, and some may have been given again already.
    epoch, since = new_epoch(), last
    redis.call('HSET', KEYS[2], 'epoch', epoch, 'since', since)
  end
end

local max_age = tonumber(ARGV[4])
if max_age > 0 then
  local oldest = time[1] * 1000 + math.floor(time[2] / 1000) - max_age
  local first, at = record_from(0, 'at')
  if first and (tonumber(at) or 0) < oldest then
    -- Between `first`, which is too old, and `keep`, the first that is not or would come next.
    local keep = tonumber(last) + 1
    while keep - first > 1 do
      local middle = math.floor((first + keep) / 2)
      local found, found_at = record_from(middle, 'at')
      if not found or (tonumber(found_at) or 0) >= oldest then keep = middle else first = math.max(middle, found) end
    end
    redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', keep))
  end
end

local first = record_from(0, 'at')
return {epoch, since, first and string.format('%.0f', first) or '0', last}
