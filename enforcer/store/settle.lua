-- Ends the hold of a call with its true cost: the hold is released, the cost is
-- posted, the buckets get back what was not needed, and the call waits, settled,
-- for the ledger. Once: a repeat changes nothing.
--
-- KEYS[1]   counters of the tenant: hash, field -> counter or bucket
-- KEYS[2]   counters of the user: likewise
-- KEYS[3]   calls of the session: hash, call id -> record
--
-- ARGV[1]   call id
-- ARGV[2]   the call's entry for the ledger
-- ARGV[3]   channel to publish ARGV[4] on when the tenant's spent reaches a rung
-- ARGV[5]   numbers:
--             cost        nano-USD; 0 voids the hold
--             how many money limits count in KEYS[1], how many in KEYS[2],
--             how many buckets are in KEYS[1], how many in KEYS[2]
--             how many rungs a money limit in KEYS[1] has
--           for each money limit in KEYS[1]: the amount of each rung
--           for each bucket: capacity, refill, unused
--             where unused is given back (below zero: is taken)
-- ARGV[6..] fields in KEYS[1], then in KEYS[2]: of money limits, then of buckets
--
-- Answers 'settled', 'repeated', or 'unknown' when there is no such hold: it was
-- settled and the ledger has it, or it was never taken.

local id, entry, numbers = ARGV[1], ARGV[2], unpack_numbers(ARGV[5])
local cost = numbers[1]
local now = redis_time()

local record = redis.call('HGET', KEYS[3], id)
if not record then
  -- An admission that is still on its way must find that its call has ended.
  redis.call('HSET', KEYS[3], id, 'S' .. struct.pack('<dd', cost, now) .. entry)
  return 'unknown'
end
if string.sub(record, 1, 1) == 'S' then return 'repeated' end
local bound, admitted_at = struct.unpack('<dd', record, 2)

local money = { numbers[2], numbers[3] }
local buckets = { numbers[4], numbers[5] }
local rungs = numbers[6]
local RUNGS, n = 7, 7 + money[1] * rungs -- where the numbers of rungs and buckets begin
local crossed = false

-- Posts cost in the place of bound, to the period in which the call was admitted.
local function post(raw, first_rung)
  local start, finish, spent, held, e_start, e_spent, e_held = struct.unpack(COUNTER, raw)
  if admitted_at >= start then
    for r = first_rung, first_rung + rungs - 1 do
      crossed = crossed or (spent < numbers[r] and spent + cost >= numbers[r])
    end
    spent, held = spent + cost, held - bound
  elseif admitted_at >= e_start then
    e_spent, e_held = e_spent + cost, e_held - bound
  end -- else its period is over for longer than anyone counts
  return struct.pack(COUNTER, start, finish, spent, held, e_start, e_spent, e_held)
end

local function give_back(raw, capacity, refill, unused)
  local level, at = bucket_level(raw, now, capacity, refill)
  return struct.pack(BUCKET, math.min(capacity, level + unused), at)
end

local field = 6
for key = 1, 2 do
  local count = money[key] + buckets[key]
  if count > 0 then
    local values = redis.call('HMGET', KEYS[key], unpack(ARGV, field, field + count - 1))
    local changes = {}
    for i = 1, count do
      local value = values[i]
      if value and i <= money[key] then
        value = post(value, RUNGS + (i - 1) * rungs)
      elseif value then
        value = give_back(value, numbers[n], numbers[n + 1], numbers[n + 2])
      end
      if i > money[key] then n = n + 3 end
      if value then -- else a counter that was forgotten, or a bucket that is full
        changes[#changes + 1] = ARGV[field + i - 1]
        changes[#changes + 1] = value
      end
    end
    if #changes > 0 then redis.call('HSET', KEYS[key], unpack(changes)) end
    field = field + count
  end
  rungs = 0 -- what a single user has reached concerns that user alone
end
redis.call('HSET', KEYS[3], id, 'S' .. struct.pack('<dd', cost, admitted_at) .. entry)
if crossed then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return 'settled'
