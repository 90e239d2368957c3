-- Admits calls, each all or nothing: either every limit has room for it and all of
-- that is taken, or nothing changes and the answer says which limit refused.
--
-- KEYS, ARGV: see counters.lua. An account's numbers:
--   for each money limit: amount, trip, downgrade, start, finish, most, waived
--     calls are refused once spent reaches trip, and must go to another model once it
--     reaches downgrade; most is the most that may be held; waived is 1 if the limit is
--     checked, and takes, but never refuses
--   for each bucket: capacity, refill, waived
-- A call's text is kept in its record, for whoever ends the call; its numbers:
--   bound       the most that the call can cost, nano-USD
--   not_before  a time that an earlier answer gave, ms since the Unix epoch
--   until       the end of the last of the owners' current periods, ms; 0 for none
--   retention   how long the owners' counters are kept after that, ms
--   downgraded  1: the model was chosen as if a Downgrade rung were reached
--   from, till  the amounts hold in [from, till), ms; till is 0 where there are no amounts
--   seen        what 'seq' is known to have been; 0 where that is not known
--   for each bucket: need
--
-- Answers for each call the verdict, a zero byte, and packed numbers: now, admitted_at, refusing,
-- spent, held, ahead, seq, nearest, left, debt..., taken...; of the verdicts that decide nothing, now
-- alone.
-- The verdict is one of
--   'admitted'  refusing is the first waived limit that would have refused; 0 for none
--   'refused'   by the limit number `refusing`, from 1: money before buckets, each
--               in the order of the accounts; the first that is not waived
--   'turned'    now lies outside a period that was given, or outside [from, till); ask
--               again with now
--   'rung'      downgraded is not what spent says; ask again the other way
--   'closed'    counters are not of the epoch, or one is missing: nothing is admitted
--   'back'      the data has gone back to before what was seen: nothing is admitted
--   'fenced'    the session was declared dead and must not go on
-- A call that was admitted before is admitted, as of then: admitted_at. spent and
-- held are those of the money limit that refused; ahead is 1 while time is ahead of Redis'
-- clock, and goes slower; seq is that of the tenant then; nearest is the number of the money limit
-- of the tenant, or of its owners, that has the least left after an admission, and left is how
-- much that is, 0 and 0 for none; a debt for each bucket,
-- and for an admission with a limit that would have refused, for each bucket
-- whether it was taken from (1) or had too little (0).

local ahead = is_ahead and 1 or 0
-- The size of what is told of each money limit, bucket and call.
local MONEY = 7 * NUMBER
local RATE = 3 * NUMBER
local CALL = 8 * NUMBER

local function undecided(verdict, now) return pack('<sd', verdict, now) end

local function seq_of(account)
  local stored = account.stored[2]
  return account.seq or stored and #stored == 8 and unpack_struct('<d', stored) or 0
end

-- Whether a counter's period can be one of a limit of which the period is [start, finish) now: it
-- is about as long, and does not begin so far ahead that no clock is believed. A tenant that has
-- moved to another time zone may be in the period before the one that the counter has seen.
local function is_period(c, start, finish, now)
  local had_finish, had_start, length = c[FINISH], c[START], finish - start
  return had_finish == 0 or had_start - now <= MOST_AHEAD and had_finish - had_start >= 0.8 * length
    and had_finish - finish <= 1.2 * length + MOST_AHEAD
end

-- Turns a counter to the period [start, finish), and answers whether it has begun another. While the
-- period that it has is not over, that one goes on: a tenant that moves to another time zone gets
-- other bounds, and must not get its money anew.
local function turn(c, start, finish)
  if start >= c[FINISH] then
    c[E_START], c[E_SPENT], c[E_HELD] = c[START], c[SPENT], c[HELD]
    c[START], c[FINISH], c[SPENT], c[HELD] = start, finish, 0, 0
    return true
  end
  if start < c[START] then c[START] = start end
  return false
end

-- Takes what a call needs, when all limits have room for it, but not from the buckets that have too
-- little and are waived. debts are those of the buckets at the times of `at`, before and after.
local function take(counting, bound, needs, too_little, debts, at, owners_until)
  local b = 0
  for a = 1, #counting do
    local account = counting[a]
    local limits, n, is_renewed = account.limits, LIMITS + 3 * NUMBER, account.money == 0
    for i = 1, account.money do
      local c, start, finish = limits[i], unpack_struct('<dd', account.numbers, n)
      n = n + MONEY
      if turn(c, start, finish) then is_renewed = true end
      c[HELD] = add(account, i, c[HELD], bound)
    end
    -- Buckets alone last from one call to the next.
    if account.is_owner and is_renewed then account.expires_at = owners_until end
    for i = account.money + 1, account.all do
      local bucket = limits[i]
      b = b + 1
      if not too_little[b] then debts[b] = debts[b] + needs[b] end
      bucket[DEBT], bucket[SINCE] = debts[b], at[b]
    end
    account.has_changed = account.all > 0
  end
  if tenant.all > 0 then tenant.seq = seq_of(tenant) + 1 end
end

return each_call(3, function(id, note, counting, numbers, at)
  local bound, not_before, owners_until, retention, downgraded, from, till, seen = unpack_struct('<dddddddd', numbers, at)
  at = at + CALL
  local now = time
  if not_before > now then now = not_before end
  if is_fenced then return undecided('fenced', now) end
  if now < from or till > 0 and now >= till then return undecided('turned', now) end

  local asked, refusing, refusing_spent, refusing_held = 0, 0, 0, 0
  local refused = false -- by a limit that is not waived
  local nearest, nearest_left = 0, 0
  local reached, later, before = false, now, records[id]
  for a = 1, #counting do
    local account = counting[a]
    local stored, is_owner, n = account.stored, account.is_owner, LIMITS
    if not is_owner and account.epoch ~= EPOCH then return undecided('closed', now) end
    if a == 1 and seq_of(account) < seen then return undecided('back', now) end
    for i = 1, account.money do
      local amount, trip, downgrade, start, finish, most, waived = unpack_struct('<ddddddd', account.numbers, n)
      n, asked = n + MONEY, asked + 1
      if not is_owner and not stored[2 + i] then return undecided('closed', now) end
      local c = counter_of(account, i)
      if now < start or now >= finish then return undecided('turned', now) end
      if not is_period(c, start, finish, now) and c[SPENT] ~= EXACT then
        c = mender().forget(account, i, 'time', c[START])
        account.limits[i] = c
      end
      if c[START] > later then later = c[START] end
      local spent, held = c[SPENT], c[HELD]
      if start >= c[FINISH] then spent, held = 0, 0 end
      reached = reached or spent >= downgrade
      if not refused and (spent >= trip or spent + held + bound > amount or spent == EXACT or held == EXACT
        or held + bound > most)
      then
        refused = waived == 0
        if refused or refusing == 0 then refusing, refusing_spent, refusing_held = asked, spent, held end
      end
      if is_owner or a == 1 then
        local left = amount - spent - held - bound
        if nearest == 0 or left < nearest_left then nearest, nearest_left = asked, left end
      end
    end
  end
  -- Where the shard's clock was lost, time goes on from what was seen: the call must be
  -- recorded in the period that it is counted in.
  if later > now then return undecided('turned', later) end
  if reached ~= (downgraded == 1) and not before then return undecided('rung', now) end

  local b, needs, debts, debts_at, too_little = 0, { nil, nil }, { nil, nil }, { nil, nil }, {}
  for a = 1, #counting do
    local account = counting[a]
    local n = LIMITS + MONEY * account.money
    for i = account.money + 1, account.all do
      local capacity, refill, waived = unpack_struct('<ddd', account.numbers, n)
      n, asked, b = n + RATE, asked + 1, b + 1
      local need = unpack_struct('<d', numbers, at + (b - 1) * NUMBER)
      local bucket = bucket_of(account, i, now) or mender().bucket(account, i, now, refill, capacity)
      needs[b], debts[b], debts_at[b] = need, flown_in(bucket, now, refill)
      if debts[b] + need > capacity then
        too_little[b] = true
        if not refused then
          refused = waived == 0
          if refused or refusing == 0 then refusing, refusing_spent, refusing_held = asked, 0, 0 end
        end
      end
    end
  end

  -- A call that was admitted before is admitted: the first answer stands.
  local verdict, admitted_at = 'admitted', now
  if before then
    refusing, refusing_spent, refusing_held, nearest, nearest_left = 0, 0, 0, 0, 0
    admitted_at = select(2, read_call(before, now)) or now -- its settlement tells of a broken record
  elseif refused then
    verdict, admitted_at, nearest, nearest_left = 'refused', 0, 0, 0
  else
    take(counting, bound, needs, too_little, debts, debts_at, math.max(owners_until, now) + retention)
    record_call(id, 'H' .. pack('<dd', bound, now) .. note)
  end
  if verdict == 'admitted' and refusing > 0 then
    for i = 1, b do debts[b + i] = too_little[i] and 0 or 1 end
  end
  return pack('<s' .. string.rep('d', 9 + #debts), verdict,
    now, admitted_at, refusing, refusing_spent, refusing_held, ahead, seq_of(tenant), nearest, nearest_left, unpack(debts))
end)
