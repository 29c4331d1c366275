-- Reads a page of records, limited in number and approximately in bytes; at least one record if there
-- is one. Returns {epoch, last, records}.
--
-- KEYS  1 the stream   2 its metadata, a hash
-- ARGV  1 'after', or 'before' for newest first   2 the id to start after or before
--       3 the maximum number of records   4 the maximum number of bytes

-- The number of records per read. It is small, because only one read may exceed the limit in bytes.
local BATCH = 8

local page, bytes, from = {}, 0, '(' .. ARGV[2]
local count, most = tonumber(ARGV[3]), tonumber(ARGV[4])

local function some()
  local number = math.min(BATCH, count - #page)
  if ARGV[1] == 'after' then return redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', number) end
  return redis.call('XREVRANGE', KEYS[1], from, '-', 'COUNT', number)
end

-- Adds records while there is room. Returns false if there are no more, or no room.
local function fill()
  local records = some()
  for _, record in ipairs(records) do
    for _, field in ipairs(record[2]) do bytes = bytes + #field end
    if #page > 0 and bytes > most then return false end
    page[#page + 1] = record
    from = '(' .. record[1]
  end
  return #records == BATCH and #page < count and bytes < most
end

while fill() do end
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'last')
return {meta[1] or '', meta[2] or '0', page}
