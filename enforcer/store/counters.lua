-- Shared by the scripts: what they are given, how counters and buckets are packed, and how
-- periods turn. All numbers are doubles and stay whole and below 2^53, where doubles are exact.
--
-- This text follows definitions of EPOCH, the number of the epoch as a string; FEED, the channel of
-- news; and NEWS, the first word of news about tenants. So every epoch has scripts of its own: a
-- Redis into which they were not loaded under the epoch does not know them, and cannot run them on
-- old counters. Locals with a value and a name in capitals are constants; see constants.go.
--
-- A script is for several calls of a session, one after the other, and answers a list of the
-- answer to each. What it reads, it reads once for all of them, and what has changed, it writes
-- when all are answered. A call changes all that it looks at in an account, or nothing there.
--
-- KEYS[1]   calls of the session: hash, call id -> record, and 'fenced' once the
--           session has been declared dead
-- KEYS[2..] the counters of each account: those of a tenant, or of an owner within it (a user, a
--           group, an API key): hash,
--             field of a limit -> counter or bucket
--             'epoch' -> the epoch under which they are valid; not there for owners, whose keys
--                        name it
--             'seq'   -> how often calls of the tenant were admitted
--           the last key is that of the shard's clock
--
-- ARGV      for each account: numbers, then the fields of its limits, money before buckets
--             owner  1: of an owner
--             money  how many money limits
--             rates  how many buckets
--             then what the script wants to know of each limit
--           for each call: its id, a text, and numbers
--             how many accounts count it; which these are, from 1: that of the tenant, those of
--               its owners, then of the tenant's parent, of that one's parent, and so on
--             then what the script wants to know of the call
--
-- An account that several calls count in is given once: no two accounts have the same key.
--
-- A table is copied each time that it outgrows its room. Tables that every run needs are made with
-- room for what most runs put there: as many nil.

-- A money counter counts the newest period it has seen and the one before it:
--   START, FINISH   bounds of the newest period, ms since the Unix epoch
--   SPENT, HELD     cost of settled calls, bounds of open calls, nano-USD
--   E_*             start, spent and held of the period before
local START = 1
local FINISH = 2
local SPENT = 3
local HELD = 4
local E_START = 5
local E_SPENT = 6
local E_HELD = 7
-- Of a bucket:
local DEBT = 1
local SINCE = 2
local pack, unpack_struct = struct.pack, struct.unpack
local NUMBER = 8 -- bytes; numbers in arguments are packed doubles, too
local COUNTER = '<ddddddd'
local COUNTER_SIZE = 56
local BUCKET = '<dd'
local BUCKET_SIZE = 16

-- A value that no script writes (below zero, no number, a fraction, beyond EXACT) is
-- broken. It is mended where it is found, whatever becomes of the call, so that it is
-- reported once: in the answer, and, in case the answer is lost, in a field
-- 'broken:<kind>:<field>' of the tenant that counts it. Fields of its owners, which are users,
-- groups and API keys, have a prefix there: 'users:<field>', 'groups:<field>', 'keys:<field>'.
--
-- What is mended must not let more money through than a limit has. So an unknown amount
-- is read as EXACT, which leaves room for no call: the limit refuses until the control plane
-- has counted it anew from the ledger. It does so for what is not marked as valid in the
-- tenant's counters, by the fields 'valid:<field>' for a money counter of the tenant,
-- 'valid:users:<field>' for those of its users, and so on, and 'valid:in-flight' for all buckets
-- of calls in flight. An owner of whom the ledger knows nothing is found by the field
-- 'unknown:users:<field>\0<key of the owner's counters>'.
local EXACT = 9007199254740992 -- 2^53
local LONGEST = 400 * 86400000 -- ms; no period is longer, however its zone changes
local accounts = { nil, nil }
local tenant -- the account of the tenant whose call is looked at
local broken, mending

-- An account: its key and its numbers (packed, in ARGV[first]); how many of its limits are of
-- money, and how many there are in all, with fields ARGV[first + i]. What was stored of the i-th limit
-- is stored[2 + i], a string, and limits[i] is the counter or bucket that counter_of or bucket_of has
-- made of it. seq and expires_at are what is to be written, if anything.
local function new_account(key, first)
  local numbers = ARGV[first]
  local owner, money, rates = unpack_struct('<ddd', numbers)
  local all = money + rates
  local stored = redis.call('HMGET', key, 'epoch', 'seq', unpack(ARGV, first + 1, first + all))
  return {
    key = key, numbers = numbers, first = first, is_owner = owner == 1, money = money, all = all,
    stored = stored, epoch = stored[1], limits = { nil, nil, nil },
    has_changed = false, seq = false, expires_at = false,
  }
end
local LIMITS = 1 + 3 * NUMBER -- where the numbers of an account's limits begin

-- The repair functions are created only when needed: a script creates all its functions
-- at every call, and broken values are very rare.
local function mender()
  if mending then return mending end

  local function kind_of(value)
    if value ~= value then return 'unreadable' end
    if value < 0 then return 'negative' end
    return value > EXACT and 'overflow' or 'fraction'
  end

  local function shown(value)
    return type(value) == 'string' and #value .. ' bytes' or string.format('%.17g', value)
  end

  local function owner(key, field)
    local word = string.match(key, '^bursar:{%d+}:(%a+):')
    if word == 'tenant' then return key, field end
    return tenant.key, word .. 's:' .. field -- limiterv1.FieldOfAll
  end

  -- Has the control plane count money anew, or all calls in flight where the field is a
  -- bucket of them; a bucket of a rate is on record nowhere.
  local function distrust(key, field)
    local of, name = owner(key, field)
    if string.sub(field, 1, 6) == 'money:' then
      redis.call('HDEL', of, 'valid:' .. name)
      if name ~= field then redis.call('HSET', of, 'unknown:' .. name .. '\0' .. key, 1) end
    elseif string.sub(field, -2) == '@0' then
      redis.call('HDEL', of, 'valid:in-flight')
    end
  end

  local function tell(counter, key, field, kind, was, is)
    local of, name = owner(key, field)
    redis.call('HINCRBY', of, 'broken:' .. kind .. ':' .. name, 1)
    distrust(key, field)
    broken = broken or {}
    for _, part in ipairs({ counter, key, field, kind, shown(was), shown(is) }) do broken[#broken + 1] = part end
  end

  local function tell_of(counter, account, i, kind, was, is)
    tell(counter, account.key, ARGV[account.first + i], kind, was, is)
  end

  local function write(account, i, value)
    redis.call('HSET', account.key, ARGV[account.first + i], value)
  end

  local function mend_amount(account, i, value)
    if value >= 0 and value <= EXACT and value % 1 == 0 then return value end
    local is = EXACT
    if value >= 0 and value < EXACT then is = math.ceil(value) end
    tell_of('money', account, i, kind_of(value), value, is)
    return is
  end

  -- Makes all of a counter unknown, for whichever period comes first.
  local function forget(account, i, kind, was)
    tell_of('money', account, i, kind, was, EXACT)
    write(account, i, pack(COUNTER, 0, EXACT, EXACT, EXACT, 0, 0, 0))
    return { 0, EXACT, EXACT, EXACT, 0, 0, 0 }
  end

  -- Repairs a counter. With broken bounds, the period of its amounts is unknown.
  local function counter(account, i, c, raw)
    local start, finish, spent, held, e_start = c[START], c[FINISH], c[SPENT], c[HELD], c[E_START]
    if not (start and start >= -EXACT and start <= finish and start % 1 == 0 and finish <= EXACT and finish % 1 == 0
      and (finish - start <= LONGEST or spent == EXACT and held == EXACT) and e_start >= -EXACT and e_start <= finish and e_start % 1 == 0)
    then
      return forget(account, i, 'unreadable', raw)
    end
    for _, amount in ipairs({ SPENT, HELD, E_SPENT, E_HELD }) do c[amount] = mend_amount(account, i, c[amount]) end
    write(account, i, pack(COUNTER, unpack(c)))
    return c
  end

  -- Mends a bucket. That of a rate owes all that it can, and pays it back with time. Of
  -- calls in flight it says that there are none until they are counted anew: a few calls
  -- too many at once pass, and no money beyond a limit.
  local function bucket(account, i, now, refill, capacity)
    local debt = refill > 0 and math.min(capacity, EXACT) or 0
    tell_of('bucket', account, i, 'unreadable', account.stored[2 + i], debt)
    write(account, i, pack(BUCKET, debt, now))
    account.limits[i] = { debt, now }
    return account.limits[i]
  end

  -- Has all be counted anew that counts a call of which the record is broken.
  local function unreadable_call(call, record)
    tell('call', tenant.key, 'calls', 'unreadable', record, 0)
    for _, account in ipairs(call) do
      for i = 1, account.all do distrust(account.key, ARGV[account.first + i]) end
    end
  end

  mending = { unreadable_call = unreadable_call, tell_of = tell_of, forget = forget, counter = counter, bucket = bucket }
  return mending
end

-- The counter of an account's i-th limit; one that is not there has counted nothing. What is read
-- is tested for every limit, so the test has few parts: amounts that are not negative, and together
-- at most EXACT, are each at most EXACT. What fails it is left to the mender, which changes nothing
-- where only the sum is larger.
local function counter_of(account, i)
  local c = account.limits[i]
  if c then return c end
  local raw = account.stored[2 + i]
  if not raw then
    c = { 0, 0, 0, 0, 0, 0, 0 }
  elseif #raw ~= COUNTER_SIZE then
    c = mender().counter(account, i, {}, raw)
  else
    local start, finish, spent, held, e_start, e_spent, e_held = unpack_struct(COUNTER, raw)
    c = { start, finish, spent, held, e_start, e_spent, e_held }
    if not (spent >= 0 and held >= 0 and e_spent >= 0 and e_held >= 0 and spent + held + e_spent + e_held <= EXACT
      and (spent % 1) + (held % 1) + (e_spent % 1) + (e_held % 1) == 0
      and -EXACT <= e_start and e_start <= finish and -EXACT <= start and start <= finish and finish <= EXACT
      and finish - start <= LONGEST)
    then
      c = mender().counter(account, i, c, raw)
    end
  end
  account.limits[i] = c
  return c
end

-- A bucket is its debt, what was taken and has not flowed in again, and the time
-- at which that was true. One unit of a rate limit is `window` points of debt, so
-- that a bucket refilled with `refill` units a window pays back exactly `refill`
-- points a millisecond, and no fraction is ever lost. A bucket without refill
-- counts calls in flight.

-- Time may go back by a little, and a bucket then waits for it; it never goes back so far.
local SINCE_AHEAD = 60000 -- ms

-- The bucket of an account's i-th limit; one that is not there is full. nil where it is broken.
local function bucket_of(account, i, now)
  local b = account.limits[i]
  if b then return b end
  local raw = account.stored[2 + i]
  local debt, since = 0, 0
  if raw then
    if #raw ~= BUCKET_SIZE then return nil end
    debt, since = unpack_struct(BUCKET, raw)
    if not (debt >= 0 and debt <= EXACT and debt % 1 == 0 and since >= -EXACT and since - now <= SINCE_AHEAD and since % 1 == 0) then
      return nil
    end
  end
  b = { debt, since }
  account.limits[i] = b
  return b
end

-- The debt of a bucket after its refill up to now, and the time for which that is true.
local function flown_in(b, now, refill)
  local debt, since = b[DEBT], b[SINCE]
  if now <= since then return debt, since end
  debt = debt - (now - since) * refill
  if debt < 0 then debt = 0 end
  return debt, now
end

-- Adds to an amount of the i-th limit. One that is EXACT stays so: that was reported before.
local function add(account, i, amount, more)
  local sum = amount + more
  if sum <= EXACT then return sum end
  if amount < EXACT then mender().tell_of('money', account, i, 'overflow', sum, EXACT) end
  return EXACT
end

local HEAD = 1 + 2 * NUMBER -- bytes of a record before its text

-- Reads the record of an open call: its amount, and when it was admitted; or nothing where
-- it is broken, or says that it was admitted longer ago, or further ahead, than can be.
local function read_call(record, now)
  if #record < HEAD or string.sub(record, 1, 1) ~= 'H' then return nil end
  local amount, admitted_at = struct.unpack('<dd', record, 2)
  if amount >= 0 and amount <= EXACT and amount % 1 == 0
    and admitted_at >= now - LONGEST and admitted_at <= now + MOST_AHEAD and admitted_at % 1 == 0
  then
    return amount, admitted_at
  end
end

-- The time, whether the session was declared dead, and the records of its calls.
local time, is_ahead = limiter_time(KEYS[#KEYS])
local is_fenced, records, recorded = false, {}, { nil, nil }

-- Has the record of a call written once all calls are answered.
local function record_call(id, record)
  records[id] = record
  recorded[#recorded + 1] = id
  recorded[#recorded + 1] = record
end

local function write_account(account)
  local changes = { nil, nil, nil, nil, nil, nil, nil, nil }
  local n, limits, first = 0, account.limits, account.first
  for i = 1, account.all do
    local c = limits[i]
    if c then
      changes[n + 1] = ARGV[first + i]
      changes[n + 2] = i <= account.money and pack(COUNTER, unpack(c)) or pack(BUCKET, unpack(c))
      n = n + 2
    end
  end
  if account.seq then changes[n + 1], changes[n + 2] = 'seq', pack('<d', account.seq) end
  redis.call('HSET', account.key, unpack(changes))
  -- Owners expire by Redis' own clock, which is never ahead of the limiter's time: late rather than
  -- early.
  if account.expires_at then redis.call('PEXPIREAT', account.key, account.expires_at) end
end

-- The accounts that count a call, and where its other numbers begin.
local function accounts_of(numbers)
  local count, at = unpack_struct('<d', numbers)
  local counting, which = { nil, nil }, nil
  for a = 1, count do
    which, at = unpack_struct('<d', numbers, at)
    counting[a] = accounts[which]
  end
  return counting, at
end

-- Answers for each call what `answer_one` does, which is given its id, its text, the accounts that
-- count it, its numbers and where they begin, and one more argument where calls have four. Where
-- something was broken it is {'broken', answer, counter, key, field, kind, what was found, what stands
-- in its place, counter...}.
local function each_call(size, answer_one)
  local first = 1
  for a = 1, #KEYS - 2 do
    accounts[a] = new_account(KEYS[a + 1], first)
    first = first + 1 + accounts[a].all
  end
  local ids, answers = {}, {}
  for call = first, #ARGV, size do ids[#ids + 1] = ARGV[call] end
  local stored = redis.call('HMGET', KEYS[1], 'fenced', unpack(ids))
  is_fenced = stored[1]
  for i = 1, #ids do records[ids[i]] = stored[i + 1] end
  for i = 1, #ids do
    local call = first + (i - 1) * size
    local counting, at = accounts_of(ARGV[call + 2])
    tenant, broken = counting[1], nil
    local answer = answer_one(ids[i], ARGV[call + 1], counting, ARGV[call + 2], at, ARGV[call + 3])
    answers[i] = broken and { 'broken', answer, unpack(broken) } or answer
  end
  for a = 1, #accounts do
    if accounts[a].has_changed then write_account(accounts[a]) end
  end
  if #recorded > 0 then redis.call('HSET', KEYS[1], unpack(recorded)) end
  return answers
end
