-- Admits calls, each all or nothing: either every limit has room for it and all of
-- that is taken, or nothing changes and the answer says which limit refused.
--
-- KEYS, ARGV: see counters.lua. An account's numbers:
--   for each money limit: amount, trip, downgrade, start, finish, most, waived
--     where calls are refused once spent reaches trip, and are to be bound by another
--     model once it reaches downgrade; most is the most that may be held; waived is 1
--     where the limit decides, takes, and never refuses
--   for each bucket: capacity, refill, waived
-- A call's text is what the session wants to know of it; its numbers:
--   bound       the most that the call can cost, nano-USD
--   not_before  a time that an earlier answer gave, ms since the Unix epoch
--   until       the end of the last of the owners' current periods, ms; 0 for none
--   retention   how long the owners' counters are kept after that, ms
--   downgraded  1: the call is bound as if a Downgrade rung were reached
--   from, till  when the amounts hold, ms: at from, and not at till any more; till is 0
--               where there are none
--   seen        what 'seq' is known to have been; 0 where that is not known
--   for each bucket: need
--
-- Answers for each call {verdict, now, admitted_at, refusing, spent, held, ahead, seq, nearest, left,
-- debt..., taken...}:
-- verdict is one of
--   'admitted'  where limits that are waived would have refused, with the first of them
--   'refused'   by the limit number `refusing`, from 1: money before buckets, each
--               in the order of the accounts; the first that is not waived
--   'turned'    now does not lie in a period given, or not between from and till; ask
--               again with now
--   'rung'      downgraded is not what spent says; ask again the other way
--   'closed'    counters are not of the epoch, or one is missing: nothing is admitted
--   'back'      the data has gone back to before what was seen: nothing is admitted
--   'fenced'    the session was declared dead and must not go on
-- A call that was admitted before is admitted, as of then: admitted_at. spent and
-- held are those of the money limit that refused; ahead is 1 while time is ahead of Redis'
-- clock, and slower; seq is that of the tenant then; nearest is the number of the money limit
-- of the tenant, or of its owners, that has the least left after an admission, and left is how
-- much that is, 0 and 0 for none; a debt for each bucket,
-- and for an admission with a limit that would have refused, for each bucket
-- whether it was taken from (1) or had too little (0).

local ahead = is_ahead and 1 or 0
local MONEY, RATE = 7, 3 -- how many numbers an account has of each limit, behind the first three

-- Takes what a call needs of each limit, when all have room for it. after are the debts of the
-- buckets then.
local function take(call_accounts, bound, after, owners_until)
  local b = 0
  for _, account in ipairs(call_accounts) do
    local limits, hash, n = account.limits, account.hash, 4
    -- Buckets alone last from one call to the next.
    if account.is_owner and account.money == 0 then hash.expires_at = owners_until end
    for i = 1, account.money do
      local c, start, finish = counter_of(account, i), limits[n + 3], limits[n + 4]
      if account.is_owner and start >= c.finish then hash.expires_at = owners_until end
      turn(c, start, finish)
      c.held = add(account, i, c.held, bound)
      change(account, i, c)
      n = n + MONEY
    end
    for i = account.money + 1, account.all do
      local bucket = bucket_of(account, i)
      b = b + 1
      bucket.debt = after[b]
      change(account, i, bucket)
    end
  end
  if tenant.all > 0 then tenant.hash.seq, tenant.hash.has_admitted = tenant.hash.seq + 1, true end
end

return each_call(3, function(id, note, numbers)
  local last = 1 + numbers[1] -- of the numbers that name accounts
  local bound, not_before, owners_until, retention, downgraded, from, till, seen = unpack(numbers, last + 1, last + 8)
  local now = time
  if not_before > now then now = not_before end
  if is_fenced then return { 'fenced', now } end
  if now < from or till > 0 and now >= till then return { 'turned', now } end

  local asked, refusing, refusing_spent, refusing_held = 0, 0, 0, 0
  local refused = false -- by a limit that is not waived
  local nearest, nearest_left = 0, 0
  local function refuse(waived, spent, held)
    refused = waived == 0
    if refused or refusing == 0 then refusing, refusing_spent, refusing_held = asked, spent, held end
  end

  local reached, later, before = false, now, records[id]
  local call_accounts = {}
  for a = 1, numbers[1] do
    local account = accounts[numbers[1 + a]]
    local limits, stored, n = account.limits, account.stored, 4
    local is_owner = account.is_owner
    call_accounts[a] = account
    if not is_owner and account.hash.epoch ~= EPOCH then return { 'closed', now } end
    if a == 1 and account.hash.seq < seen then return { 'back', now } end
    for i = 1, account.money do
      local amount, trip, downgrade, start, finish, most, waived = unpack(limits, n, n + 6)
      n, asked = n + MONEY, asked + 1
      if not stored[2 + i] and not is_owner then return { 'closed', now } end
      local c = counter_of(account, i)
      if now < start or now >= finish then return { 'turned', now } end
      if not is_period(c, start, finish, now) and c.spent ~= EXACT then
        mender().forget(account, i, c, 'time', stored[2 + i])
      end
      if c.start > later then later = c.start end
      local spent, held = c.spent, c.held
      if start >= c.finish then spent, held = 0, 0 end
      reached = reached or spent >= downgrade
      if not refused and (spent >= trip or spent + held + bound > amount or spent == EXACT or held == EXACT
        or held + bound > most)
      then
        refuse(waived, spent, held)
      end
      if is_owner or a == 1 then
        local left = amount - spent - held - bound
        if nearest == 0 or left < nearest_left then nearest, nearest_left = asked, left end
      end
    end
  end
  -- Where the shard's clock was lost, time goes on from what was seen: the call must be
  -- recorded in the period that it is counted in.
  if later > now then return { 'turned', later } end
  if reached ~= (downgraded == 1) and not before then return { 'rung', now } end

  local debts, after, taken, b = {}, {}, {}, 0
  for _, account in ipairs(call_accounts) do
    local limits, n = account.limits, 4 + MONEY * account.money
    for i = account.money + 1, account.all do
      local capacity, refill, waived = limits[n], limits[n + 1], limits[n + 2]
      n, asked, b = n + RATE, asked + 1, b + 1
      local bucket = bucket_of(account, i, now) or mender().bucket(account, i, now, refill, capacity)
      flow_in(bucket, now, refill)
      debts[b], after[b], taken[b] = bucket.debt, bucket.debt + numbers[last + 8 + b], 1
      if after[b] > capacity then
        if not refused then refuse(waived, 0, 0) end
        after[b], taken[b] = bucket.debt, 0
      end
    end
  end

  -- A call that was admitted before is admitted: the first answer stands.
  if before then
    local _, admitted_at = read_call(before, now) -- its settlement tells of a broken record
    return { 'admitted', now, admitted_at or now, 0, 0, 0, ahead, tenant.hash.seq, 0, 0, unpack(debts) }
  end
  if refused then
    return { 'refused', now, 0, refusing, refusing_spent, refusing_held, ahead, tenant.hash.seq, 0, 0, unpack(debts) }
  end
  take(call_accounts, bound, after, math.max(owners_until, now) + retention)
  record_call(id, 'H' .. pack('<dd', bound, now) .. note)
  if refusing > 0 then
    for i = 1, b do after[b + i] = taken[i] end
  end
  return {
    'admitted', now, now, refusing, refusing_spent, refusing_held, ahead, tenant.hash.seq, nearest, nearest_left, unpack(after)
  }
end)
