-- Shared by the scripts: what they are given, how counters and buckets are packed, and how
-- periods turn. All numbers are doubles and stay whole and below 2^53, where doubles are exact.
--
-- EPOCH, the number of the epoch as a string, stands before this text, and so do FEED, the
-- channel of news, and NEWS, how news of tenants begin. So the scripts of each epoch are
-- other scripts: a Redis into which they were not loaded under the epoch does not know them, and
-- cannot run them on old counters.
--
-- A script is for several calls of a session, one after the other, and answers a list of the
-- answer to each. What it reads, it reads once for all of them, and what has changed, it writes
-- when all are answered.
--
-- KEYS[1]   calls of the session: hash, call id -> record, and 'fenced' once the
--           session has been declared dead
-- KEYS[2..] the counters of each account: those of a tenant, or of an owner within it (a user, a
--           group, an API key): hash,
--             field of a limit -> counter or bucket
--             'epoch' -> the epoch under which they are valid; those of owners do not say it:
--                        their keys do
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
-- An account that several calls count in is there once. Several accounts may have the same key.

-- Numbers in an argument are packed doubles.
local function unpack_numbers(packed)
  return { struct.unpack('<' .. string.rep('d', #packed / 8), packed) }
end

-- A money counter counts the newest period it has seen and the one before it:
--   start, finish   bounds of the newest period, ms since the Unix epoch
--   spent, held     cost of settled calls, bounds of open calls, nano-USD
--   earlier_*       start, spent and held of the period before
local pack, unpack_struct = struct.pack, struct.unpack
local COUNTER, COUNTER_SIZE = '<ddddddd', 56
local BUCKET, BUCKET_SIZE = '<dd', 16

-- A value that no script writes (below zero, no number, a fraction, beyond EXACT) is
-- broken. It is mended where it is found, whatever becomes of the call, so that it is
-- told once: in the answer, and in a field 'broken:<kind>:<field>' of the tenant that
-- counts it, should nobody hear the answer. Fields of its owners, which are users, groups and API
-- keys, have a word before them there: 'users:<field>', 'groups:<field>', 'keys:<field>'.
--
-- What is mended must not let more money through than a limit has. So an amount that
-- is not known is read as EXACT, which no call fits beside: the limit refuses until the
-- control plane has counted it anew from the ledger. It does that with what is not marked
-- as valid in the tenant's counters: 'valid:<field>' of a money counter of the tenant,
-- 'valid:users:<field>' of those of its users, and so on, 'valid:in-flight' of all buckets of
-- calls in flight. An owner of whom the ledger knows nothing is found by the field
-- 'unknown:users:<field>\0<key of the owner's counters>'.
local EXACT = 9007199254740992 -- 2^53
local LONGEST = 400 * 86400000 -- ms; no period is longer, however its zone changes
local accounts = {}
local tenant -- the account of the tenant whose call is looked at
local broken, mending

-- An account of a call: its key, its limits' numbers (limits), their fields (ARGV[first + i] of
-- the i-th), what was stored for them (stored[2 + i]), and what has become of its hash.
local function new_account(key, first, hashes)
  local limits = unpack_numbers(ARGV[first])
  local money, all = limits[2], limits[2] + limits[3]
  local stored = redis.call('HMGET', key, 'epoch', 'seq', unpack(ARGV, first + 1, first + all))
  local hash = hashes[key]
  if not hash then
    hash = { epoch = stored[1], seq = 0, counters = {}, changes = {} }
    if stored[2] and #stored[2] == 8 then hash.seq = unpack_struct('<d', stored[2]) end
    hashes[key] = hash
  end
  return {
    key = key, is_owner = limits[1] == 1, money = money, all = all,
    limits = limits, first = first, stored = stored, hash = hash,
  }
end

-- Has what an account's i-th limit counts written, in the end.
local function change(account, i, counts)
  if counts.is_changed then return end
  counts.is_changed = true
  local changes = account.hash.changes
  changes[#changes + 1] = ARGV[account.first + i]
  changes[#changes + 1] = counts
end

-- The repair functions are created only when needed: a script creates all its functions
-- at every call, and broken values are very rare.
local function mender()
  broken = broken or {}
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
    for _, part in ipairs({ counter, key, field, kind, shown(was), shown(is) }) do broken[#broken + 1] = part end
  end

  local function tell_of(counter, account, i, kind, was, is)
    tell(counter, account.key, ARGV[account.first + i], kind, was, is)
  end

  local function mend_amount(account, i, value)
    if value >= 0 and value <= EXACT and value % 1 == 0 then return value end
    local is = EXACT
    if value >= 0 and value < EXACT then is = math.ceil(value) end
    tell_of('money', account, i, kind_of(value), value, is)
    return is
  end

  -- Makes all of a counter unknown, for whichever period comes first.
  local function forget(account, i, c, kind, was)
    tell_of('money', account, i, kind, was, EXACT)
    c.start, c.finish, c.spent, c.held, c.e_start, c.e_spent, c.e_held = 0, EXACT, EXACT, EXACT, 0, 0, 0
    change(account, i, c)
  end

  -- Repairs a counter. With broken bounds, the period of its amounts is unknown.
  local function counter(account, i, c, raw)
    local start, finish, spent, held, e_start = c.start, c.finish, c.spent, c.held, c.e_start
    if start and start >= -EXACT and start <= finish and start % 1 == 0 and finish <= EXACT and finish % 1 == 0
      and (finish - start <= LONGEST or spent == EXACT and held == EXACT) and e_start >= -EXACT and e_start <= finish and e_start % 1 == 0
    then
      c.spent, c.held = mend_amount(account, i, spent), mend_amount(account, i, held)
      c.e_spent, c.e_held = mend_amount(account, i, c.e_spent), mend_amount(account, i, c.e_held)
      change(account, i, c)
    else
      forget(account, i, c, 'unreadable', raw)
    end
  end

  -- Mends a bucket. That of a rate owes all that it can, and pays it back with time. Of
  -- calls in flight it says that there are none until they are counted anew: a few calls
  -- too many at once pass, and no money beyond a limit.
  local function bucket(account, i, now, refill, capacity)
    local b = { debt = refill > 0 and math.min(capacity, EXACT) or 0, since = now }
    tell_of('bucket', account, i, 'unreadable', account.stored[2 + i], b.debt)
    account.hash.counters[ARGV[account.first + i]] = b
    change(account, i, b)
    return b
  end

  -- Has all be counted anew that counts a call of which the record is broken.
  local function unreadable_call(numbers, record)
    tell('call', tenant.key, 'calls', 'unreadable', record, 0)
    for a = 1, numbers[1] do
      local account = accounts[numbers[1 + a]]
      for i = 1, account.all do distrust(account.key, ARGV[account.first + i]) end
    end
  end

  mending = { unreadable_call = unreadable_call, tell_of = tell_of, forget = forget, counter = counter, bucket = bucket }
  return mending
end

-- The answer to a call, which is {'broken', answer, counter, key, field, kind, what was
-- found, what stands in its place, counter...} where something was broken.
local function answered(answer)
  if not broken then return answer end
  return { 'broken', answer, unpack(broken) }
end

-- The counter of an account's i-th limit; one that is not there has counted nothing. The test of
-- what is read is made for every limit, so its parts are few: amounts that are not negative, and
-- together at most EXACT, are each at most EXACT. The rest is the mender's to look at, which finds
-- each amount right where only their sum is that large.
local function counter_of(account, i)
  local field = ARGV[account.first + i]
  local counters = account.hash.counters
  if counters[field] then return counters[field] end
  local raw, c = account.stored[2 + i], nil
  if not raw then
    c = { start = 0, finish = 0, spent = 0, held = 0, e_start = 0, e_spent = 0, e_held = 0, is_changed = false }
  elseif #raw ~= COUNTER_SIZE then
    c = {}
    mender().counter(account, i, c, raw)
  else
    local start, finish, spent, held, e_start, e_spent, e_held = unpack_struct(COUNTER, raw)
    c = {
      start = start, finish = finish, spent = spent, held = held,
      e_start = e_start, e_spent = e_spent, e_held = e_held, is_changed = false,
    }
    if not (spent >= 0 and held >= 0 and e_spent >= 0 and e_held >= 0 and spent + held + e_spent + e_held <= EXACT
      and (spent % 1) + (held % 1) + (e_spent % 1) + (e_held % 1) == 0
      and -EXACT <= e_start and e_start <= finish and -EXACT <= start and start <= finish and finish <= EXACT
      and finish - start <= LONGEST)
    then
      mender().counter(account, i, c, raw)
    end
  end
  counters[field] = c
  return c
end

-- Whether a counter's period can be one of a limit of which the period is [start, finish) now: it
-- is about as long, and does not begin so far ahead that no clock is believed. A tenant that has
-- moved to another time zone may be in the period before the one that the counter has seen.
local function is_period(c, start, finish, now)
  local length = finish - start
  return c.finish == 0 or c.start - now <= MOST_AHEAD and c.finish - c.start >= 0.8 * length
    and c.finish - finish <= 1.2 * length + MOST_AHEAD
end

-- Turns a counter to the period [start, finish). While the period that it has is not
-- over, that one goes on: a tenant that moves to another time zone gets other bounds,
-- and must not get its money anew.
local function turn(c, start, finish)
  if start >= c.finish then
    c.e_start, c.e_spent, c.e_held = c.start, c.spent, c.held
    c.start, c.finish, c.spent, c.held = start, finish, 0, 0
  elseif start < c.start then
    c.start = start
  end
end

-- A bucket is its debt, what was taken and has not flowed in again, and the time
-- at which that was true. One unit of a rate limit is `window` points of debt, so
-- that a bucket refilled with `refill` units a window pays back exactly `refill`
-- points a millisecond, and no fraction is ever lost. A bucket without refill
-- counts calls in flight.

-- Time may go back by a little, and a bucket then waits for it; it never goes back so far.
local SINCE_AHEAD = 60000 -- ms

-- The bucket of an account's i-th limit; nil where it is broken.
local function bucket_of(account, i, now)
  local field = ARGV[account.first + i]
  local counters = account.hash.counters
  if counters[field] then return counters[field] end
  local raw, b = account.stored[2 + i], nil
  if not raw then
    b = { debt = 0, since = now, is_changed = false }
  elseif #raw == BUCKET_SIZE then
    local debt, since = unpack_struct(BUCKET, raw)
    if debt >= 0 and debt <= EXACT and debt % 1 == 0 and since >= -EXACT and since - now <= SINCE_AHEAD and since % 1 == 0 then
      b = { debt = debt, since = since, is_changed = false }
    end
  end
  counters[field] = b
  return b
end

-- Pays back what has flowed into a bucket until now. That is so whether it is written or not.
local function flow_in(b, now, refill)
  if now <= b.since then return end
  b.debt = b.debt - (now - b.since) * refill
  if b.debt < 0 then b.debt = 0 end
  b.since = now
end

-- Adds to an amount of the i-th limit. One that is EXACT stays so: it was told before.
local function add(account, i, amount, more)
  local sum = amount + more
  if sum <= EXACT then return sum end
  if amount < EXACT then mender().tell_of('money', account, i, 'overflow', sum, EXACT) end
  return EXACT
end

-- Reads the record of an open call: its amount, and when it was admitted; or nothing where
-- it is broken, or says that it was admitted longer ago, or further ahead, than can be.
local function read_call(record, now)
  if #record < 17 or string.sub(record, 1, 1) ~= 'H' then return nil end
  local amount, admitted_at = struct.unpack('<dd', record, 2)
  if amount >= 0 and amount <= EXACT and amount % 1 == 0
    and admitted_at >= now - LONGEST and admitted_at <= now + MOST_AHEAD and admitted_at % 1 == 0
  then
    return amount, admitted_at
  end
end

-- The time, whether the session was declared dead, and the records of its calls.
local time, is_ahead = limiter_time(KEYS[#KEYS])
local is_fenced, records, recorded = false, {}, {}

-- Has a record of a call written, in the end.
local function record_call(id, record)
  records[id] = record
  recorded[#recorded + 1] = id
  recorded[#recorded + 1] = record
end

local function write(hashes)
  for key, hash in pairs(hashes) do
    local changes = hash.changes
    for i = 2, #changes, 2 do
      local c = changes[i]
      if c.debt then
        changes[i] = pack(BUCKET, c.debt, c.since)
      else
        changes[i] = pack(COUNTER, c.start, c.finish, c.spent, c.held, c.e_start, c.e_spent, c.e_held)
      end
    end
    if hash.has_admitted then
      changes[#changes + 1] = 'seq'
      changes[#changes + 1] = pack('<d', hash.seq)
    end
    if #changes > 0 then redis.call('HSET', key, unpack(changes)) end
    -- Redis' own clock, which never is ahead of time, forgets owners late rather than early.
    if hash.expires_at then redis.call('PEXPIREAT', key, hash.expires_at) end
  end
  if #recorded > 0 then redis.call('HSET', KEYS[1], unpack(recorded)) end
end

-- Answers for each call what `answer` does, which is given its id, its text, its numbers, and one
-- more argument where calls have four.
local function each_call(size, answer)
  local hashes, first = {}, 1
  for a = 1, #KEYS - 2 do
    accounts[a] = new_account(KEYS[a + 1], first, hashes)
    first = first + 1 + accounts[a].all
  end
  local ids, answers = {}, {}
  for call = first, #ARGV, size do ids[#ids + 1] = ARGV[call] end
  local stored = redis.call('HMGET', KEYS[1], 'fenced', unpack(ids))
  is_fenced = stored[1]
  for i, id in ipairs(ids) do records[id] = stored[i + 1] end
  for i, id in ipairs(ids) do
    local call = first + (i - 1) * size
    local numbers = unpack_numbers(ARGV[call + 2])
    tenant, broken = numbers[1] > 0 and accounts[numbers[2]], nil
    answers[i] = answered(answer(id, ARGV[call + 1], numbers, ARGV[call + 3]))
  end
  write(hashes)
  return answers
end
