-- Ends the hold of a call with its true cost: the hold is released, the cost is
-- posted, the buckets get back what was not needed, and the call waits, settled,
-- for the ledger. Once: a repeat changes nothing.
--
-- KEYS[1]   counters of the tenant: hash, field -> counter or bucket
-- KEYS[2]   counters of the user: likewise
-- KEYS[3]   calls of the session: hash, call id -> record
--
-- ARGV[1]   call id
-- ARGV[2]   cost, nano-USD; 0 voids the hold
-- ARGV[3]   the call's entry for the ledger
-- ARGV[4]   channel to publish ARGV[5] on when spent reaches a rung
-- ARGV[6]   number of money limits, then for each of them:
--             key (1 tenant, 2 user), field, number of rungs, amount of each rung
--           then for each bucket five:
--             key, field, capacity, refill, unused
--           where unused is given back (below zero: is taken)
--
-- Answers 'settled', 'repeated', or 'unknown' when there is no such hold: it was
-- settled and the ledger has it, or it was never taken.

local id, cost, entry = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local function settled(at)
  redis.call('HSET', KEYS[3], id, 'S' .. struct.pack('<dd', cost, at) .. entry)
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local record = redis.call('HGET', KEYS[3], id)
if not record then
  -- An admission that is still on its way must find that its call has ended.
  settled(now)
  return 'unknown'
end
if string.sub(record, 1, 1) == 'S' then return 'repeated' end
local bound, admitted_at = struct.unpack('<dd', record, 2)

local changes = { {}, {} }
local function change(argument, value)
  local of = changes[tonumber(ARGV[argument])]
  of[#of + 1] = ARGV[argument + 1]
  of[#of + 1] = value
end

local crossed = false
local a = 7
for _ = 1, tonumber(ARGV[6]) do
  local rungs = tonumber(ARGV[a + 2])
  local raw = redis.call('HGET', KEYS[tonumber(ARGV[a])], ARGV[a + 1])
  if raw then
    local c = read_counter(raw)
    if admitted_at >= c.start then
      for r = a + 3, a + 2 + rungs do
        local rung = tonumber(ARGV[r])
        crossed = crossed or (c.spent < rung and c.spent + cost >= rung)
      end
      c.spent, c.held = c.spent + cost, c.held - bound
    elseif admitted_at >= c.earlier_start then
      c.earlier_spent, c.earlier_held = c.earlier_spent + cost, c.earlier_held - bound
    end -- else its period is over for longer than anyone counts
    change(a, write_counter(c))
  end
  a = a + 3 + rungs
end
for b = a, #ARGV, 5 do
  local raw = redis.call('HGET', KEYS[tonumber(ARGV[b])], ARGV[b + 1])
  if raw then
    local capacity = tonumber(ARGV[b + 2])
    local level, at = bucket_level(raw, now, capacity, tonumber(ARGV[b + 3]))
    change(b, struct.pack(BUCKET, math.min(capacity, level + tonumber(ARGV[b + 4])), at))
  end -- else the bucket is full
end
for key = 1, 2 do
  if #changes[key] > 0 then redis.call('HSET', KEYS[key], unpack(changes[key])) end
end
settled(admitted_at)
if crossed then redis.call('PUBLISH', ARGV[4], ARGV[5]) end
return 'settled'
