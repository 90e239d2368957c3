-- Admits a call, all or nothing: either every limit has room for it and all of
-- that is taken, or nothing changes and the answer says which limit refused.
--
-- KEYS[1]   counters of the tenant: hash, field -> counter or bucket
-- KEYS[2]   counters of the user: likewise
-- KEYS[3]   calls of the session: hash, call id -> record
--
-- ARGV[1]   call id
-- ARGV[2]   what the session wants to know of the call
-- ARGV[3]   numbers:
--             bound       the most that the call can cost, nano-USD
--             not_before  a time that an earlier answer gave, ms since the Unix epoch
--             forget_at   when the user's counters may be forgotten, ms
--             how many money limits count in KEYS[1], how many in KEYS[2],
--             how many buckets are in KEYS[1], how many in KEYS[2]
--           for each money limit: amount, trip, start, finish
--             where calls are refused once spent reaches trip
--           for each bucket: capacity, refill, need
-- ARGV[4..] fields in KEYS[1], then in KEYS[2]: of money limits, then of buckets
--
-- Answers {verdict, now, refusing, spent, held, level...}: verdict is one of
--   'admitted'
--   'refused'  by the limit number `refusing`, from 1, buckets after money
--   'turned'   a period given is not the one that now lies in; ask again with now
-- spent and held are those of the money limit that refused; a level for each bucket.

local id, note, numbers = ARGV[1], ARGV[2], unpack_numbers(ARGV[3])
local bound, forget_at = numbers[1], numbers[3]
local now = math.max(redis_time(), numbers[2])

local money = { numbers[4], numbers[5] }
local buckets = { numbers[6], numbers[7] }
local first = { 4, 4 + money[1] + buckets[1] } -- the first field of each key
local values, changes = { {}, {} }, { {}, {} }
for key = 1, 2 do
  local count = money[key] + buckets[key]
  if count > 0 then
    values[key] = redis.call('HMGET', KEYS[key], unpack(ARGV, first[key], first[key] + count - 1))
  end
end

-- The levels come first, as every answer tells them.
local MONEY, BUCKETS = 8, 8 + 4 * (money[1] + money[2]) -- where their numbers begin
local levels, ats = {}, {}
local n = BUCKETS
for key = 1, 2 do
  for i = money[key] + 1, money[key] + buckets[key] do
    levels[#levels + 1], ats[#ats + 1] = bucket_level(values[key][i], now, numbers[n], numbers[n + 1])
    n = n + 3
  end
end

-- A call that was admitted before is admitted: the first answer stands.
local record = redis.call('HGET', KEYS[3], id)
if record then
  local _, admitted_at = struct.unpack('<dd', record, 2)
  return { 'admitted', admitted_at, 0, 0, 0, unpack(levels) }
end

local function change(key, i, value)
  local list = changes[key]
  list[#list + 1] = ARGV[first[key] + i - 1]
  list[#list + 1] = value
end

local asked = 0
n = MONEY
for key = 1, 2 do
  for i = 1, money[key] do
    local amount, trip, start, finish = numbers[n], numbers[n + 1], numbers[n + 2], numbers[n + 3]
    n, asked = n + 4, asked + 1
    local raw = values[key][i]
    -- Where a failover has set the clock back, time goes on from what was seen.
    local seen = math.max(now, raw and struct.unpack('<d', raw) or 0)
    if seen < start or seen >= finish then return { 'turned', seen } end
    local c_start, c_finish, spent, held, e_start, e_spent, e_held = turned_counter(raw, start, finish)
    if spent >= trip or spent + held + bound > amount then
      return { 'refused', now, asked, spent, held, unpack(levels) }
    end
    change(key, i, struct.pack(COUNTER, c_start, c_finish, spent, held + bound, e_start, e_spent, e_held))
  end
end
n = BUCKETS
local b = 0
for key = 1, 2 do
  for i = money[key] + 1, money[key] + buckets[key] do
    b, asked = b + 1, asked + 1
    local level = levels[b] - numbers[n + 2]
    if level < 0 then
      return { 'refused', now, asked, 0, 0, unpack(levels) }
    end
    n = n + 3
    change(key, i, struct.pack(BUCKET, level, ats[b]))
  end
end

-- Every limit has room: take it.
for key = 1, 2 do
  if #changes[key] > 0 then redis.call('HSET', KEYS[key], unpack(changes[key])) end
end
if #changes[2] > 0 then redis.call('PEXPIREAT', KEYS[2], forget_at) end
redis.call('HSET', KEYS[3], id, 'H' .. struct.pack('<dd', bound, now) .. note)
n, b = BUCKETS, 0
for _ = 1, buckets[1] + buckets[2] do
  b = b + 1
  levels[b] = levels[b] - numbers[n + 2]
  n = n + 3
end
return { 'admitted', now, 0, 0, 0, unpack(levels) }
