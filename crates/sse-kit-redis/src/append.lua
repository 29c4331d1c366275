-- Appends a record to the log at the next offset, and its follow-ups directly after it: all of them,
-- or none. Returns {epoch, offset, outcome, server}; the outcome is
--   'appended'   the record was appended with this id
--   'repeated'   the same publish was appended before, with this id; nothing was appended now
--   'reused'     the idempotency key was used for another event, with this id
--   'conflict'   the topics have a newer record than the expected one, at this offset or before
--
-- KEYS  1 the stream   2 its metadata, a hash   3 the idempotency key
-- ARGV  1 the topics, separated by line feeds, '' for everyone   2 the encoded event
--       3 the conflation key, or ''   4 the excluded connections, separated by spaces, or ''
--       5 a random text, the same for each retry of an append
--       6 the number of records to keep   7 the lifetime of the idempotency key, in milliseconds
--       8 the epoch and 9 the offset of the newest record that the publisher has seen, '' and 0 for none
--      10 a digest of the event, or ''
--      11 the epoch and 12 the offset of the newest record expected for these topics, or ''
--      13 to 16, 17 to 20, ... the same as 1 to 4 for each follow-up
--      optionally, after all others: the `traceparent` of the request that caused the events
--
-- An error that begins with REFUSED means that nothing was written; the reason follows. After UNPROVEN
-- and FOREIGN, the nodes of the log repair it within a moment: retry the append.

local stream, meta_key, once_key = KEYS[1], KEYS[2], KEYS[3]
local attempt, digest = ARGV[5], ARGV[10] or ''
local expected_epoch, expected_offset = ARGV[11] or '', tonumber(ARGV[12] or '')

local function text(number)
  return string.format('%.0f', number)
end

-- The replication id changes when the server starts, and when a replica becomes the primary.
local info = redis.call('INFO', 'replication')
local _, before = string.find(info, 'master_replid:', 1, true)
local server = before and string.sub(info, before + 1, before + 40) or 'unknown'

local known = redis.pcall('GET', once_key)
if type(known) == 'string' and known ~= '' then
  local epoch, offset, by, of = string.match(known, '^(%x+)-(%d+) (%S*) (%S*)$')
  local outcome = 'repeated'
  if by == attempt then outcome = 'appended' elseif of ~= digest then outcome = 'reused' end
  return {epoch, offset, outcome, server}
end

local time = redis.call('TIME')
local function new_epoch()
  local hash = redis.sha1hex(time[1] .. '.' .. time[2] .. '.' .. attempt)
  return (string.gsub(string.sub(hash, 1, 16), '^0+', ''))
end

-- Runs a command. Returns its error, or nil.
local function refusal(...)
  local answer = redis.pcall(...)
  return type(answer) == 'table' and answer.err or nil
end

-- Returns the offset of a record that violates the condition of this append, or nil. Its helpers are
-- local to it, because few appends have a condition.
local function conflict(epoch, last)
  if not expected_offset then return nil end

  -- Returns the offset of the newest record for these topics after the expected one, or nil. If that is
  -- unknown, returns the last offset.
  local function newest_since(expected, last)
    -- The maximum number of records to examine, and the number per read.
    local MAX_LOOK, PAGE = 10000, 500

    local function topics_of(joined)
      local topics = {}
      for topic in string.gmatch(joined .. '\n', '([^\n]*)\n') do topics[topic] = true end
      return topics
    end

    local function field(fields, name)
      for at = 1, #fields, 2 do
        if fields[at] == name then return fields[at + 1] end
      end
      return ''
    end

    local function offset_of(entry)
      return tonumber(string.match(entry[1], '^%d+'))
    end

    local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
    if last > expected and (not first or offset_of(first) > expected + 1) then return last end
    local wanted, looked, to = topics_of(ARGV[1]), 0, '+'
    while looked < MAX_LOOK do
      local page = redis.call('XREVRANGE', stream, to, '(' .. text(expected), 'COUNT', PAGE)
      for _, entry in ipairs(page) do
        for topic in pairs(topics_of(field(entry[2], 'topic'))) do
          if wanted[topic] then return offset_of(entry) end
        end
      end
      if #page < PAGE then return nil end
      looked, to = looked + #page, '(' .. page[#page][1]
    end
    return last
  end

  if epoch ~= expected_epoch or expected_offset > last then return last end
  return newest_since(expected_offset, last)
end

-- The current time in milliseconds.
local at = time[1] .. string.sub(1000000 + time[2], 2, 4)
local trace = (#ARGV - 12) % 4 == 1 and {'trace', ARGV[#ARGV]} or {}
local function add(offset, topics, event, key, except)
  local answer = redis.pcall('XADD', stream, 'MAXLEN', '~', ARGV[6], offset .. '-0',
    'topic', topics, 'event', event, 'key', key, 'except', except, 'once', attempt, 'at', at, unpack(trace))
  return type(answer) == 'table' and answer.err or nil
end

-- Writes the idempotency key, the offset and the records: all of them, or none. Returns the offset,
-- or nil and the error.
local function write(epoch, last)
  local follow_ups = math.floor((#ARGV - 12) / 4)
  local offset = text(last + 1)
  local through = follow_ups > 0 and text(last + 1 + follow_ups) or offset
  local refused = redis.pcall('SET', once_key,
    epoch .. '-' .. offset .. ' ' .. attempt .. ' ' .. digest, 'PX', ARGV[7]).err
  if refused then return nil, refused end
  refused = refusal('HSET', meta_key, 'last', through)
  if not refused then
    refused = add(offset, ARGV[1], ARGV[2], ARGV[3], ARGV[4])
    if refused then redis.call('HSET', meta_key, 'last', text(last)) end
    if refused and string.find(refused, 'equal or smaller', 1, true) then
      -- Another program has added an entry with a higher id.
      redis.call('HSET', meta_key, 'blocked', '1')
      refused = 'FOREIGN an entry of another program blocks the next offset'
    end
  end
  if refused then
    -- SET, because the user of Redis may not have permission for DEL.
    redis.call('SET', once_key, '', 'PX', 1)
    return nil, refused
  end
  -- If Redis accepted the first record, it accepts the next offsets too.
  for nth = 1, follow_ups do
    local from = 9 + 4 * nth
    refused =
      add(text(last + 1 + nth), ARGV[from], ARGV[from + 1], ARGV[from + 2], ARGV[from + 3])
    if refused then error(refused) end
  end
  return offset, nil
end

local refused = nil
local meta = redis.call('HMGET', meta_key, 'epoch', 'last', 'server')
local epoch, last = meta[1], tonumber(meta[2] or '')
if not (epoch and last) then
  epoch, last = new_epoch(), 0
  refused = refusal('HSET', meta_key, 'epoch', epoch, 'since', '0', 'last', '0', 'server', server)
    or refusal('DEL', stream)
elseif meta[3] ~= server then
  -- This server may lack the end of the log, and no offset may be assigned twice.
  refused = 'UNPROVEN ' .. server
elseif epoch == ARGV[8] and last < tonumber(ARGV[9]) then
  -- The end of the log was lost. Its offsets will be assigned again, so the epoch changes.
  epoch = new_epoch()
  refused = refusal('HSET', meta_key, 'epoch', epoch, 'since', text(last))
end

local offset = nil
if not refused then
  local newest = conflict(epoch, last)
  if newest then return {epoch, text(newest), 'conflict', server} end
  offset, refused = write(epoch, last)
end
if refused then return redis.error_reply('REFUSED ' .. refused) end
return {epoch, offset, 'appended', server}
