-- Ends the hold of a call with its true cost: the hold is released, the cost is
-- posted, the buckets get back what was not needed, and the call waits, settled,
-- for the ledger. Once: a repeat changes nothing. The cost of a call that is not known any
-- more is posted, too. It may have been charged before: so the control plane is to count
-- anew, and till then too little is admitted rather than too much.
--
-- KEYS[1]   calls of the session: hash, call id -> record, and 'fenced'
-- KEYS[2..] counters and the shard's clock, as for an admission
--
-- ARGV[1]   call id
-- ARGV[2]   the call's entry for the ledger
-- ARGV[3]   channel to publish ARGV[4] on when a tenant's spent reaches a rung
-- ARGV[5]   numbers:
--             cost        nano-USD; 0 voids the hold
--             adopting    1: a call of a session that was declared dead
--             admitted_at ms, where the caller knows it; else 0
--             owners      how many keys after KEYS[2] are counters of owners
--           for each key from KEYS[2]: how many money limits, how many buckets,
--             and how many rungs each of the money limits has
--           for each rung of each money limit: its amount
--           for each bucket: refill, unused
--             where unused is given back (below zero: is taken)
-- ARGV[6..] fields in each key from KEYS[2]: of money limits, then of buckets
--
-- Answers one of
--   'settled'
--   'repeated'  the call was settled before, and not by this
--   'posted'    there is no such hold: it was settled and the ledger has it, or it is
--               lost. The cost is posted, and what counts it is not valid any more
--   'unknown'   there is no such hold, and no entry: it was never taken, as far as the
--               caller knows; or, adopting, it was ended
--   'closed'    counters are being set for the epoch: ask again when they are
--   'fenced'    the session was declared dead; another ends its calls

local id, entry, numbers = ARGV[1], ARGV[2], unpack_numbers(ARGV[5])
local now = limiter_time(CLOCK)
local cost, adopting, admitted_at = numbers[1], numbers[2] == 1, numbers[3]
local LAST_OWNER = TENANT + numbers[4]
local COUNTS = 5 -- where the numbers of each key begin
-- Counters of owners do not say under which epoch they are valid: their keys do.
local function is_owner(key) return key > TENANT and key <= LAST_OWNER end

local own = redis.call('HMGET', KEYS[1], id, 'fenced')
local record = own[1]
if own[2] and not adopting then return 'fenced' end
if record and string.sub(record, 1, 1) == 'S' then return 'repeated' end

-- Counters that are not of the epoch are left alone: who sets them later does so by the record
-- of the call, as it ends here, and by the ledger. Perhaps nobody ever does, because the tenant
-- has no budget any more, or has moved to another tree. While they are being set, and when
-- they are of a newer epoch, the call is not ended here.
local stored, uncounted = {}, nil
local counts, field = COUNTS, 6
for key = TENANT, LAST do
  local fields = numbers[counts] + numbers[counts + 1]
  if not is_owner(key) or fields > 0 then
    stored[key] = redis.call('HMGET', KEYS[key], 'epoch', unpack(ARGV, field, field + fields - 1))
  end
  if not is_owner(key) and stored[key][1] ~= EPOCH then
    local of = stored[key][1] or '0'
    local number, ticket = string.match(of, '^closed:(%d+):(.*)$')
    number = tonumber(number or string.match(of, '^%d+$') or 0)
    if number > tonumber(EPOCH) or number == tonumber(EPOCH) and ticket ~= '' then return 'closed' end
    uncounted = uncounted or {}
    stored[key], uncounted[key] = {}, true
  end
  counts, field = counts + 3, field + fields
end

local bound = 0
if record then
  local admitted
  bound, admitted = read_call(record, now)
  if bound then
    admitted_at = admitted
  else
    -- What it held stays held, which lets no more through, until all is counted anew.
    bound, admitted_at = 0, now
    mender().tell('call', TENANT, 'calls', 'unreadable', record, bound)
    counts, field = COUNTS, 6
    for key = TENANT, LAST do
      local fields = numbers[counts] + numbers[counts + 1]
      for i = field, field + fields - 1 do mender().distrust(key, ARGV[i]) end
      counts, field = counts + 3, field + fields
    end
  end
elseif adopting then
  return 'unknown'
else
  if admitted_at == 0 then admitted_at = now end
  if entry == '' then
    -- An admission that is still on its way must find that its call has ended.
    redis.call('HSET', KEYS[1], id, 'S' .. struct.pack('<dd', cost, admitted_at) .. entry)
    return 'unknown'
  end
end

local crossed = false

-- Takes what a call held from what is held. Where less is held than that, nothing is:
-- what other calls hold is not known, and to refuse them all would not bring it back.
-- What is not known stays not known.
local function release(key, field, held, bound)
  if held == EXACT then return EXACT end
  if held >= bound then return held - bound end
  mender().tell('money', key, field, 'negative', held - bound, 0)
  return 0
end

-- Posts cost in the place of bound, to the period in which the call was admitted.
local function post(key, field, raw, rung, last_rung)
  local start, finish, spent, held, e_start, e_spent, e_held = read_counter(key, field, raw)
  if admitted_at >= start then
    for r = rung, last_rung do
      crossed = crossed or (spent < numbers[r] and spent + cost >= numbers[r])
    end
    spent, held = add(key, field, spent, cost), release(key, field, held, bound)
  elseif e_start > 0 and admitted_at >= e_start then
    e_spent, e_held = add(key, field, e_spent, cost), release(key, field, e_held, bound)
  end -- else its period is over for longer than anyone counts
  return pack(COUNTER, start, finish, spent, held, e_start, e_spent, e_held)
end

local function give_back(key, field, raw, refill, unused)
  local was, since = read_bucket(raw, now)
  if not was then return nil end -- the next admission mends it: it knows the capacity
  local debt, at = flown_in(was, since, now, refill)
  if refill == 0 and debt < unused then mender().tell('bucket', key, field, 'negative', debt - unused, 0) end
  return struct.pack(BUCKET, math.min(math.max(0, debt - unused), EXACT), at)
end

local rung, bucket = counts, counts -- where the numbers of rungs and of buckets begin
for c = COUNTS, counts - 1, 3 do bucket = bucket + numbers[c] * numbers[c + 2] end
counts, field = COUNTS, 6
for key = TENANT, LAST do
  local money, buckets, rungs = numbers[counts], numbers[counts + 1], numbers[counts + 2]
  local changes = {}
  for i = 1, money + buckets do
    local value = stored[key][i + 1]
    if i <= money then
      value = value and post(key, ARGV[field + i - 1], value, rung, rung + rungs - 1)
      rung = rung + rungs
    else
      value = value and record and give_back(key, ARGV[field + i - 1], value, numbers[bucket], numbers[bucket + 1])
      bucket = bucket + 2
    end
    if value then -- else a counter that was forgotten, or a bucket without debt or broken
      changes[#changes + 1] = ARGV[field + i - 1]
      changes[#changes + 1] = value
    end
  end
  if #changes > 0 then redis.call('HSET', KEYS[key], unpack(changes)) end
  if not record and not is_owner(key) and not (uncounted and uncounted[key]) then
    for _, mark in ipairs(redis.call('HKEYS', KEYS[key])) do
      if string.sub(mark, 1, 6) == 'valid:' and mark ~= 'valid:in-flight' then redis.call('HDEL', KEYS[key], mark) end
    end
  end
  counts, field = counts + 3, field + money + buckets
end
redis.call('HSET', KEYS[1], id, 'S' .. struct.pack('<dd', cost, admitted_at) .. entry)
if crossed or not record then redis.call('PUBLISH', ARGV[3], ARGV[4]) end
return answered(record and 'settled' or 'posted')
