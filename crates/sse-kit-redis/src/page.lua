-- Reads records, up to a number of them and to about a number of bytes, but at least one where there
-- is one. Returns {epoch, last, records}.
--
-- KEYS  1 the stream   2 what is known of it
-- ARGV  1 'after' or 'before', which is newest first   2 the id after or before which they come
--       3 how many   4 how many bytes

-- Few at a time: only these may be larger than the page.
local AT_ONCE = 8

local page, bytes, from = {}, 0, '(' .. ARGV[2]
local count, most = tonumber(ARGV[3]), tonumber(ARGV[4])

local function some()
  local number = math.min(AT_ONCE, count - #page)
  if ARGV[1] == 'after' then return redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', number) end
  return redis.call('XREVRANGE', KEYS[1], from, '-', 'COUNT', number)
end

-- Adds records as far as there is room; false when there is no more.
local function fill()
  local records = some()
  for _, record in ipairs(records) do
    for _, field in ipairs(record[2]) do bytes = bytes + #field end
    if #page > 0 and bytes > most then return false end
    page[#page + 1] = record
    from = '(' .. record[1]
  end
  return #records == AT_ONCE and #page < count and bytes < most
end

while fill() do end
local meta = redis.call('HMGET', KEYS[2], 'epoch', 'last')
return {meta[1] or '', meta[2] or '0', page}
