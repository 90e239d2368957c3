-- Admits a call, all or nothing: either every limit has room for it and all of
-- that is taken, or nothing changes and the answer says which limit refused.
--
-- KEYS[1]   counters of the tenant: hash, field -> counter or bucket
-- KEYS[2]   counters of the user: likewise
-- KEYS[3]   calls of the session: hash, call id -> record
--
-- ARGV[1]   call id
-- ARGV[2]   bound: the most that the call can cost, nano-USD
-- ARGV[3]   what the session wants to know of the call
-- ARGV[4]   when the user's counters may be forgotten, ms since the Unix epoch
-- ARGV[5]   number of money limits, then for each of them six:
--             key (1 tenant, 2 user), field, amount, trip, start, finish
--           where calls are refused once spent reaches trip
--           then for each bucket five:
--             key, field, capacity, refill, need
--
-- Answers {verdict, now, refusing, spent, held, level...}: verdict is one of
--   'admitted'
--   'refused'  by the limit number `refusing`, from 1, buckets after money
--   'turned'   a period given is not the one that now lies in; ask again with now
-- spent and held are those of the money limit that refused; a level for each bucket.

local id, bound, note, forget_at = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4]
local money_limits = tonumber(ARGV[5])
local MONEY, BUCKETS = 6, 6 + 6 * money_limits -- where their arguments begin

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- The fields of each key, in the order of the arguments, and what they hold.
local fields, values = { {}, {} }, { {}, {} }
local function want(argument)
  local of = fields[tonumber(ARGV[argument])]
  of[#of + 1] = ARGV[argument + 1]
end
for a = MONEY, BUCKETS - 1, 6 do want(a) end
for a = BUCKETS, #ARGV, 5 do want(a) end
for key = 1, 2 do
  if #fields[key] > 0 then
    values[key] = redis.call('HMGET', KEYS[key], unpack(fields[key]))
  end
end
local reads = { 0, 0 }
local function next_value(argument)
  local key = tonumber(ARGV[argument])
  reads[key] = reads[key] + 1
  return values[key][reads[key]]
end

-- Counters have seen no later moment than now, unless the clock was set back by a
-- failover: then time goes on from what they have seen.
local counters, seen = {}, now
for a = MONEY, BUCKETS - 1, 6 do
  local c = read_counter(next_value(a))
  counters[#counters + 1] = c
  seen = math.max(seen, c.start)
end
now = seen

local buckets, levels = {}, {}
for a = BUCKETS, #ARGV, 5 do
  local b = {}
  b.level, b.at = bucket_level(next_value(a), now, tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]))
  buckets[#buckets + 1] = b
  levels[#levels + 1] = b.level
end

-- A call that was admitted before is admitted: the first answer stands.
local record = redis.call('HGET', KEYS[3], id)
if record then
  local _, admitted_at = struct.unpack('<dd', record, 2)
  return { 'admitted', admitted_at, 0, 0, 0, unpack(levels) }
end

for i, c in ipairs(counters) do
  local a = MONEY + 6 * (i - 1)
  local amount, trip = tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3])
  local start, finish = tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
  if now < start or now >= finish then
    return { 'turned', now }
  end
  turn(c, start, finish)
  if c.spent >= trip or c.spent + c.held + bound > amount then
    return { 'refused', now, i, c.spent, c.held, unpack(levels) }
  end
end
for i, b in ipairs(buckets) do
  b.need = tonumber(ARGV[BUCKETS + 5 * (i - 1) + 4])
  if b.level < b.need then
    return { 'refused', now, money_limits + i, 0, 0, unpack(levels) }
  end
end

-- Every limit has room: take it.
local changes = { {}, {} }
local function change(argument, value)
  local of = changes[tonumber(ARGV[argument])]
  of[#of + 1] = ARGV[argument + 1]
  of[#of + 1] = value
end
for i, c in ipairs(counters) do
  c.held = c.held + bound
  change(MONEY + 6 * (i - 1), write_counter(c))
end
for i, b in ipairs(buckets) do
  levels[i] = b.level - b.need
  change(BUCKETS + 5 * (i - 1), struct.pack(BUCKET, levels[i], b.at))
end
for key = 1, 2 do
  if #changes[key] > 0 then redis.call('HSET', KEYS[key], unpack(changes[key])) end
end
if #changes[2] > 0 then redis.call('PEXPIREAT', KEYS[2], forget_at) end
redis.call('HSET', KEYS[3], id, 'H' .. struct.pack('<dd', bound, now) .. note)
return { 'admitted', now, 0, 0, 0, unpack(levels) }
