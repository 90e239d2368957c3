-- Admits a call, all or nothing: either every limit has room for it and all of
-- that is taken, or nothing changes and the answer says which limit refused.
--
-- KEYS[1]   calls of the session: hash, call id -> record, and 'fenced' once the
--           session has been declared dead
-- KEYS[2]   counters of the tenant: hash, field -> counter or bucket, 'epoch' -> the epoch
--           under which they are valid, and 'seq' -> how often calls were admitted in it
-- KEYS[3..] counters under the epoch of owners within the tenant (the user, its groups, the
--           API key), of those that have limits: likewise, without these two fields; then
--           counters of the tenant's parent, of that one's parent, and so on, as of the
--           tenant; the last key is that of the shard's clock
--
-- ARGV[1]   call id
-- ARGV[2]   what the session wants to know of the call
-- ARGV[3]   numbers:
--             bound       the most that the call can cost, nano-USD
--             not_before  a time that an earlier answer gave, ms since the Unix epoch
--             until       the end of the last of the owners' current periods, ms; 0 for none
--             retention   how long the owners' counters are kept after that, ms
--             ceilings    how many numbers stand before the most that may be held of each
--                         money limit, which come last; 0 where that is not bounded
--             downgraded  1: the call is bound as if a Downgrade rung were reached
--             from, till  when the amounts below hold, ms: at from, and not at till any
--                         more; till is 0 where there are none
--             seen        what 'seq' is known to have been; 0 where that is not known
--             owners      how many keys after KEYS[2] are counters of owners
--           for each key from KEYS[2]: how many money limits, how many buckets
--           for each money limit: amount, trip, downgrade, start, finish
--             where calls are refused once spent reaches trip, and are to be bound
--             by another model once it reaches downgrade
--           for each bucket: capacity, refill, need
-- ARGV[4]   '1' or '0' for each limit, money before buckets, each in the order of the
--           keys: whether it is waived, and decides, takes, and never refuses; empty
--           where none is
-- ARGV[5..] fields in each key from KEYS[2]: of money limits, then of buckets
--
-- Answers {verdict, now, admitted_at, refusing, spent, held, ahead, seq, nearest, left, debt...,
-- taken...}:
-- verdict is one of
--   'admitted'  where limits that are waived would have refused, with the first of them
--   'refused'   by the limit number `refusing`, from 1: money before buckets, each
--               in the order of the keys; the first that is not waived
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

local id, note, numbers, waived = ARGV[1], ARGV[2], unpack_numbers(ARGV[3]), ARGV[4]
local bound, not_before, owners_until, retention, ceilings, downgraded =
  numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6] == 1
local from, till, seen = numbers[7], numbers[8], numbers[9]
local LAST_OWNER = TENANT + numbers[10]
local COUNTS = 11 -- where the numbers of each key begin
local now, is_ahead = limiter_time(CLOCK)
if not_before > now then now = not_before end
local ahead = is_ahead and 1 or 0

local own = redis.call('HMGET', KEYS[1], id, 'fenced')
if own[2] then return { 'fenced', now } end
if now < from or (till > 0 and now >= till) then return { 'turned', now } end

-- The parts of the reply about the limits.
local asked, refusing, refusing_spent, refusing_held = 0, 0, 0, 0
local nearest, nearest_left = 0, 0
local refused = false -- by a limit that is not waived
local byte, WAIVED = string.byte, 49
local debts, after, taken = {}, {}, {}
-- The writes to each key: field, value, field, value...
local values, changes = {}, {}

-- Money, key by key.
local reached, later = false, now
local renewed = {} -- the keys of owners whose counters have begun another period
local seq = 0
local counts, n, field = COUNTS, COUNTS + 2 * (LAST - 1), 5
for key = TENANT, LAST do
  local money, buckets = numbers[counts], numbers[counts + 1]
  local stored, first = nil, 1 -- the limits' counters follow those
  local is_owner = key > TENANT and key <= LAST_OWNER
  if key == TENANT then
    stored, first = redis.call('HMGET', KEYS[key], 'epoch', 'seq', unpack(ARGV, field, field + money + buckets - 1)), 2
    if stored[1] ~= EPOCH then return answered({ 'closed', now }) end
    if stored[2] and #stored[2] == 8 then seq = unpack_struct('<d', stored[2]) end
    if seq < seen then return { 'back', now } end
  else
    stored = redis.call('HMGET', KEYS[key], 'epoch', unpack(ARGV, field, field + money + buckets - 1))
    if not is_owner and stored[1] ~= EPOCH then return answered({ 'closed', now }) end
  end
  local change = {}
  for i = 1, money do
    local amount, trip, downgrade = numbers[n], numbers[n + 1], numbers[n + 2]
    local start, finish = numbers[n + 3], numbers[n + 4]
    n, asked = n + 5, asked + 1
    local raw = stored[first + i]
    if not raw and not is_owner then return answered({ 'closed', now }) end
    local had_start, had_finish, was_spent, was_held, was_e_start, was_e_spent, was_e_held =
      read_counter(key, ARGV[field + i - 1], raw)
    if now < start or now >= finish then return answered({ 'turned', now }) end
    if not is_period(had_start, had_finish, start, finish, now) and was_spent ~= EXACT then
      had_start, had_finish, was_spent, was_held, was_e_start, was_e_spent, was_e_held =
        mender().forget(key, ARGV[field + i - 1], 'time', raw)
    end
    if had_start > later then later = had_start end
    local c_start, c_finish, spent, held, e_start, e_spent, e_held =
      turn(start, finish, had_start, had_finish, was_spent, was_held, was_e_start, was_e_spent, was_e_held)
    reached = reached or spent >= downgrade
    if is_owner and c_finish ~= had_finish then renewed[key] = true end
    if not refused and (spent >= trip or spent + held + bound > amount or spent == EXACT or held == EXACT
      or ceilings > 0 and held + bound > numbers[ceilings + asked])
    then
      refused = byte(waived, asked) ~= WAIVED
      if refused or refusing == 0 then refusing, refusing_spent, refusing_held = asked, spent, held end
    end
    change[2 * i - 1] = ARGV[field + i - 1]
    if byte(waived, asked) == WAIVED and not own[1] then
      held = add(key, ARGV[field + i - 1], held, bound)
    else
      held = held + bound
    end
    if key <= LAST_OWNER then
      local left = amount - spent - held
      if nearest == 0 or left < nearest_left then nearest, nearest_left = asked, left end
    end
    change[2 * i] = pack(COUNTER, c_start, c_finish, spent, held, e_start, e_spent, e_held)
  end
  -- Buckets alone last from one call to the next.
  if is_owner and money == 0 then renewed[key] = true end
  values[key], changes[key] = stored, change
  counts, field = counts + 2, field + money + buckets
end
-- Where the shard's clock was lost, time goes on from what was seen: the call must be
-- recorded in the period that it is counted in.
if later > now then return answered({ 'turned', later }) end
if reached ~= downgraded and not own[1] then return answered({ 'rung', now }) end

-- Then the buckets, key by key.
counts, field = COUNTS, 5
local b = 0
for key = TENANT, LAST do
  local money, buckets = numbers[counts], numbers[counts + 1]
  local change, first = changes[key], key == TENANT and 2 or 1
  for i = money + 1, money + buckets do
    local capacity, refill, need = numbers[n], numbers[n + 1], numbers[n + 2]
    n, asked, b = n + 3, asked + 1, b + 1
    local raw = values[key][first + i]
    local was, since = read_bucket(raw, now)
    if not was then was, since = mender().bucket(key, ARGV[field + i - 1], raw, now, refill, capacity) end
    local debt, at = flown_in(was, since, now, refill)
    debts[b], after[b], taken[b] = debt, debt + need, 1
    if debt + need > capacity then
      if not refused then
        refused = byte(waived, asked) ~= WAIVED
        if refused or refusing == 0 then refusing, refusing_spent, refusing_held = asked, 0, 0 end
      end
      after[b], taken[b] = debt, 0
    end
    change[2 * i - 1] = ARGV[field + i - 1]
    change[2 * i] = pack(BUCKET, after[b], at)
  end
  counts, field = counts + 2, field + money + buckets
end

-- A call that was admitted before is admitted: the first answer stands.
if own[1] then
  local _, admitted_at = read_call(own[1], now)
  return answered({ 'admitted', now, admitted_at or now, 0, 0, 0, ahead, seq, 0, 0, unpack(debts) }) -- its settlement tells of a broken record
end
if refused then
  return answered({ 'refused', now, 0, refusing, refusing_spent, refusing_held, ahead, seq, 0, 0, unpack(debts) })
end

-- Every limit has room: take it.
local counted = #changes[TENANT]
if counted > 0 then
  seq = seq + 1
  changes[TENANT][counted + 1], changes[TENANT][counted + 2] = 'seq', pack('<d', seq)
end
for key = TENANT, LAST do
  if #changes[key] > 0 then redis.call('HSET', KEYS[key], unpack(changes[key])) end
end
-- Redis' own clock, which never is ahead of time, forgets owners late rather than early.
for key in pairs(renewed) do redis.call('PEXPIREAT', KEYS[key], math.max(owners_until, now) + retention) end
redis.call('HSET', KEYS[1], id, 'H' .. struct.pack('<dd', bound, now) .. note)
if refusing > 0 then
  for i = 1, b do after[b + i] = taken[i] end
end
return answered({
  'admitted', now, now, refusing, refusing_spent, refusing_held, ahead, seq, nearest, nearest_left, unpack(after)
})
