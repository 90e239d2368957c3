-- Ends the holds of calls with their true cost: the hold is released, the cost is
-- posted, the buckets get back what was not needed, and the call waits, settled,
-- for the ledger. A repeat changes nothing. The cost of a call that is not known any more
-- is posted, too. Because it may have been charged before, the control plane is told to
-- count anew, and until then too little is admitted rather than too much.
--
-- KEYS, ARGV: see counters.lua. An account's numbers:
--   rungs  how many rungs each of the money limits has
--   for each money limit, for each rung: its amount, which is news once spent reaches it
--   for each bucket: refill
-- A call's text is its record as it is to stand, with its entry for the ledger, if any; its numbers:
--   cost        nano-USD; 0 voids the hold
--   adopting    1: a call of a session that was declared dead
--   admitted_at ms, where the caller knows it; else 0
--   for each bucket: unused, which is given back (below zero: is taken)
--
-- Answers for each call one of
--   'settled'
--   'repeated'  the call was settled before, and not by this
--   'posted'    there is no such hold: it was settled and the ledger has it, or it is
--               lost. The cost is posted, and what counts it is not valid any more
--   'unknown'   there is no such hold, and no entry: it was never taken, as far as the
--               caller knows; or, adopting, it was ended
--   'closed'    counters are being set for the epoch: ask again when they are
--   'fenced'    the session was declared dead; another ends its calls


-- Whether counters of an account are left alone because they are not of the epoch: who sets them
-- later does so by the record of the call, as it ends here, and by the ledger. Perhaps nobody ever
-- does, because the tenant has no budget any more, or has moved to another tree. While they are
-- being set, and when they are of a newer epoch, the call is not ended here, and is_closed.
local function is_uncounted(account)
  local of = account.epoch
  if account.is_owner or of == EPOCH then return false, false end
  local number, ticket = string.match(of or '0', '^closed:(%d+):(.*)$')
  number = tonumber(number or string.match(of or '0', '^%d+$') or 0)
  return true, number > tonumber(EPOCH) or number == tonumber(EPOCH) and ticket ~= ''
end

-- Subtracts what a call held from what is held. If less is held than that, 0 is left: what
-- other calls hold is unknown then, and to refuse all calls would not bring it back. An
-- unknown amount stays unknown.
local function release(account, i, held, bound)
  if held == EXACT then return EXACT end
  if held >= bound then return held - bound end
  mender().tell_of('money', account, i, 'negative', held - bound, 0)
  return 0
end

-- Posts cost in the place of bound, to the period in which the call was admitted; answers whether
-- a rung was reached.
local function post(account, i, cost, bound, admitted_at, rungs)
  local c, is_crossed = counter_of(account, i), false
  if admitted_at >= c[START] then
    local spent = c[SPENT]
    for rung = (i - 1) * rungs + 1, i * rungs do
      local amount = unpack_struct('<d', account.numbers, LIMITS + rung * NUMBER)
      is_crossed = is_crossed or spent < amount and spent + cost >= amount
    end
    c[SPENT], c[HELD] = add(account, i, spent, cost), release(account, i, c[HELD], bound)
  elseif c[E_START] > 0 and admitted_at >= c[E_START] then
    c[E_SPENT], c[E_HELD] = add(account, i, c[E_SPENT], cost), release(account, i, c[E_HELD], bound)
  end -- else its period is over for longer than anyone counts
  account.has_changed = true
  return is_crossed
end

local function give_back(account, i, refill, unused)
  local bucket = bucket_of(account, i, time)
  if not bucket then return end -- the next admission mends it: it knows the capacity
  local debt, at = flown_in(bucket, time, refill)
  if refill == 0 and debt < unused then mender().tell_of('bucket', account, i, 'negative', debt - unused, 0) end
  bucket[DEBT], bucket[SINCE] = math.min(math.max(0, debt - unused), EXACT), at
  account.has_changed = true
end

-- Has the money of a tenant counted anew.
local function invalidate(account)
  for _, mark in ipairs(redis.call('HKEYS', account.key)) do
    if string.sub(mark, 1, 6) == 'valid:' and mark ~= 'valid:in-flight' then redis.call('HDEL', account.key, mark) end
  end
end

-- The record of a call that is settled: as it was given, or with the true time of its admission.
local function settled_record(given, cost, admitted_at, given_at)
  if admitted_at == given_at then return given end
  return 'S' .. pack('<dd', cost, admitted_at) .. string.sub(given, HEAD + 1)
end

local function publish_news(counting)
  local news = NEWS
  for _, account in ipairs(counting) do
    local name = string.match(account.key, '^bursar:{%d+}:tenant:(.*)$')
    if name then news = news .. ' ' .. name end
  end
  redis.call('PUBLISH', FEED, news)
end

return each_call(3, function(id, given, counting, numbers, at)
  local cost, adopting, given_at = unpack_struct('<ddd', numbers, at)
  local admitted_at = given_at
  at, adopting = at + 3 * NUMBER, adopting == 1
  local record = records[id]
  if is_fenced and not adopting then return 'fenced' end
  if record and string.sub(record, 1, 1) == 'S' then return 'repeated' end
  for a = 1, #counting do
    local _, is_closed = is_uncounted(counting[a])
    if is_closed then return 'closed' end
  end

  local bound = 0
  if record then
    local admitted
    bound, admitted = read_call(record, time)
    if bound then
      admitted_at = admitted
    else
      -- What it held stays held, which lets no more through, until all is counted anew.
      bound, admitted_at = 0, time
      mender().unreadable_call(counting, record)
    end
  elseif adopting then
    return 'unknown'
  else
    if admitted_at == 0 then admitted_at = time end
    if #given == HEAD then
      -- An admission that is still on its way must find that its call has ended.
      record_call(id, settled_record(given, cost, admitted_at, given_at))
      return 'unknown'
    end
  end

  local is_crossed = false
  for a = 1, #counting do
    local account = counting[a]
    local stored, is_left = account.stored, is_uncounted(account)
    local rungs = unpack_struct('<d', account.numbers, LIMITS)
    local refills = LIMITS + (1 + rungs * account.money) * NUMBER
    for i = 1, account.money do
      if stored[2 + i] and not is_left then -- else a counter that was forgotten
        is_crossed = post(account, i, cost, bound, admitted_at, rungs) or is_crossed
      end
    end
    for i = account.money + 1, account.all do
      if stored[2 + i] and record and not is_left then -- else a bucket without debt
        give_back(account, i, unpack_struct('<d', account.numbers, refills), (unpack_struct('<d', numbers, at)))
      end
      refills, at = refills + NUMBER, at + NUMBER
    end
    if not record and not account.is_owner and not is_left then invalidate(account) end
  end
  record_call(id, settled_record(given, cost, admitted_at, given_at))
  if is_crossed or not record then publish_news(counting) end
  return record and 'settled' or 'posted'
end)
