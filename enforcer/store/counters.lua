-- Shared by the scripts: how counters and buckets are packed, and how periods turn.
-- All numbers are doubles and stay whole and below 2^53, where doubles are exact.
--
-- EPOCH, the number of the epoch as a string, stands before this text. So the
-- scripts of each epoch are other scripts: a Redis into which they were not loaded
-- under the epoch does not know them, and cannot run them on old counters.

-- Numbers in an argument are packed doubles.
local function unpack_numbers(packed)
  return { struct.unpack('<' .. string.rep('d', #packed / 8), packed) }
end

-- The last key is that of the shard's clock, for limiter_time; that before is the last of
-- the counters.
local CLOCK, LAST = KEYS[#KEYS], #KEYS - 1

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
local TENANT = 2 -- the first key of counters; those of the tenant's owners and ancestors follow
local broken, mending

-- The repair functions are created only when needed: a script creates all its functions
-- at every call, and broken values are very rare.
local function mender()
  if mending then return mending end
  broken = {}

  local function kind_of(value)
    if value ~= value then return 'unreadable' end
    if value < 0 then return 'negative' end
    return value > EXACT and 'overflow' or 'fraction'
  end

  local function shown(value)
    return type(value) == 'string' and #value .. ' bytes' or string.format('%.17g', value)
  end

  local function owner(key, field)
    local word = string.match(KEYS[key], '^bursar:{%d+}:(%a+):')
    if word == 'tenant' then return KEYS[key], field end
    return KEYS[TENANT], word .. 's:' .. field -- limiterv1.FieldOfAll
  end

  -- Has the control plane count money anew, or all calls in flight where the field is a
  -- bucket of them; a bucket of a rate is on record nowhere.
  local function distrust(key, field)
    local tenant, name = owner(key, field)
    if string.sub(field, 1, 6) == 'money:' then
      redis.call('HDEL', tenant, 'valid:' .. name)
      if name ~= field then redis.call('HSET', tenant, 'unknown:' .. name .. '\0' .. KEYS[key], 1) end
    elseif string.sub(field, -2) == '@0' then
      redis.call('HDEL', tenant, 'valid:in-flight')
    end
  end

  local function tell(counter, key, field, kind, was, is)
    local tenant, name = owner(key, field)
    redis.call('HINCRBY', tenant, 'broken:' .. kind .. ':' .. name, 1)
    distrust(key, field)
    for _, part in ipairs({ counter, KEYS[key], field, kind, shown(was), shown(is) }) do broken[#broken + 1] = part end
  end

  local function mend_amount(key, field, value)
    if value >= 0 and value <= EXACT and value % 1 == 0 then return value end
    local is = EXACT
    if value >= 0 and value < EXACT then is = math.ceil(value) end
    tell('money', key, field, kind_of(value), value, is)
    return is
  end

  -- Makes all of a counter unknown, for whichever period comes first.
  local function forget(key, field, kind, was)
    tell('money', key, field, kind, was, EXACT)
    redis.call('HSET', KEYS[key], field, struct.pack(COUNTER, 0, EXACT, EXACT, EXACT, 0, 0, 0))
    return 0, EXACT, EXACT, EXACT, 0, 0, 0
  end

  -- Repairs a counter. With broken bounds, the period of its amounts is unknown.
  local function counter(key, field, raw)
    local start, finish, spent, held, e_start, e_spent, e_held
    if #raw == COUNTER_SIZE then
      start, finish, spent, held, e_start, e_spent, e_held = struct.unpack(COUNTER, raw)
    end
    if start and start >= -EXACT and start <= finish and start % 1 == 0 and finish <= EXACT and finish % 1 == 0
      and (finish - start <= LONGEST or spent == EXACT and held == EXACT) and e_start >= -EXACT and e_start <= finish and e_start % 1 == 0
    then
      spent, held = mend_amount(key, field, spent), mend_amount(key, field, held)
      e_spent, e_held = mend_amount(key, field, e_spent), mend_amount(key, field, e_held)
    else
      return forget(key, field, 'unreadable', raw)
    end
    redis.call('HSET', KEYS[key], field, struct.pack(COUNTER, start, finish, spent, held, e_start, e_spent, e_held))
    return start, finish, spent, held, e_start, e_spent, e_held
  end

  -- Mends a bucket. That of a rate owes all that it can, and pays it back with time. Of
  -- calls in flight it says that there are none until they are counted anew: a few calls
  -- too many at once pass, and no money beyond a limit.
  local function bucket(key, field, raw, now, refill, capacity)
    local debt = refill > 0 and math.min(capacity, EXACT) or 0
    tell('bucket', key, field, 'unreadable', raw, debt)
    redis.call('HSET', KEYS[key], field, struct.pack(BUCKET, debt, now))
    return debt, now
  end

  mending = { tell = tell, distrust = distrust, forget = forget, counter = counter, bucket = bucket }
  return mending
end

-- The script's answer, which is {'broken', answer, counter, key, field, kind, what was
-- found, what stands in its place, counter...} where something was broken.
local function answered(answer)
  if not broken then return answer end
  return { 'broken', answer, unpack(broken) }
end

-- Reads a counter; one that is not there has counted nothing. The test of what is read
-- is made for every limit of every call, so its parts are few: amounts that are not
-- negative, and together at most EXACT, are each at most EXACT. The rest is the mender's
-- to look at, which finds each amount right where only their sum is that large.
local function read_counter(key, field, raw)
  if not raw then return 0, 0, 0, 0, 0, 0, 0 end
  if #raw ~= COUNTER_SIZE then return mender().counter(key, field, raw) end
  local start, finish, spent, held, e_start, e_spent, e_held = unpack_struct(COUNTER, raw)
  if spent >= 0 and held >= 0 and e_spent >= 0 and e_held >= 0 and spent + held + e_spent + e_held <= EXACT
    and (spent % 1) + (held % 1) + (e_spent % 1) + (e_held % 1) == 0
    and -EXACT <= e_start and e_start <= finish and -EXACT <= start and start <= finish and finish <= EXACT
    and finish - start <= LONGEST
  then
    return start, finish, spent, held, e_start, e_spent, e_held
  end
  return mender().counter(key, field, raw)
end

-- Whether a counter's period, of [had_start, had_finish), can be one of a limit of which
-- the period is [start, finish) now: it is about as long, and does not begin so far ahead
-- that no clock is believed. A tenant that has moved to another time zone may be in
-- the period before the one that the counter has seen.
local function is_period(had_start, had_finish, start, finish, now)
  local length = finish - start
  return had_finish == 0 or had_start - now <= MOST_AHEAD and had_finish - had_start >= 0.8 * length
    and had_finish - finish <= 1.2 * length + MOST_AHEAD
end

-- Turns a counter to the period [start, finish). While the period that it has is not
-- over, that one goes on: a tenant that moves to another time zone gets other bounds,
-- and must not get its money anew.
local function turn(start, finish, c_start, c_finish, spent, held, e_start, e_spent, e_held)
  if start >= c_finish then return start, finish, 0, 0, c_start, spent, held end
  if start < c_start then c_start = start end -- comparisons: a call of math.min costs ten of them
  return c_start, finish, spent, held, e_start, e_spent, e_held
end

-- A bucket is its debt, what was taken and has not flowed in again, and the time
-- at which that was true. One unit of a rate limit is `window` points of debt, so
-- that a bucket refilled with `refill` units a window pays back exactly `refill`
-- points a millisecond, and no fraction is ever lost. A bucket without refill
-- counts calls in flight.

-- Time may go back by a little, and a bucket then waits for it; it never goes back so far.
local SINCE_AHEAD = 60000 -- ms

-- Reads a bucket: its debt, and when it was so; or nothing where it is broken.
local function read_bucket(raw, now)
  if not raw then return 0, now end
  if #raw ~= BUCKET_SIZE then return nil end
  local debt, since = unpack_struct(BUCKET, raw)
  if debt >= 0 and debt <= EXACT and debt % 1 == 0 and since >= -EXACT and since - now <= SINCE_AHEAD and since % 1 == 0 then
    return debt, since
  end
end

local function flown_in(debt, since, now, refill)
  if now <= since then return debt, since end
  debt = debt - (now - since) * refill
  if debt < 0 then debt = 0 end
  return debt, now
end

-- Adds to an amount. One that is EXACT stays so: it was told before.
local function add(key, field, amount, more)
  local sum = amount + more
  if sum <= EXACT then return sum end
  if amount < EXACT then mender().tell('money', key, field, 'overflow', sum, EXACT) end
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
