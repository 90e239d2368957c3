-- What the scripts share: how counters and buckets are packed, and how they turn.
-- All numbers are doubles and stay whole and below 2^53, where doubles are exact.
--
-- EPOCH, the number of the epoch as a string, stands before this text. So the
-- scripts of each epoch are other scripts: a Redis into which they were not loaded
-- under the epoch does not know them, and cannot run them on old counters.

-- Numbers in an argument are packed doubles.
local function unpack_numbers(packed)
  return { struct.unpack('<' .. string.rep('d', #packed / 8), packed) }
end

local function redis_time()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- A money counter counts the newest period it has seen and the one before it:
--   start, finish   bounds of the newest period, ms since the Unix epoch
--   spent, held     cost of settled calls, bounds of open calls, nano-USD
--   earlier_*       start, spent and held of the period before
local COUNTER = '<ddddddd'

-- Unpacks a counter, turned to the period [start, finish). While the period that
-- it has is not over, that one goes on: a tenant that moves to another time zone
-- gets other bounds, and must not get its money anew.
local function turned_counter(raw, start, finish)
  if not raw then return start, finish, 0, 0, 0, 0, 0 end
  local c_start, c_finish, spent, held, e_start, e_spent, e_held = struct.unpack(COUNTER, raw)
  if start >= c_finish then return start, finish, 0, 0, c_start, spent, held end
  return math.min(c_start, start), finish, spent, held, e_start, e_spent, e_held
end

-- A bucket is its debt, what was taken and has not flowed in again, and the time
-- at which that was true. One unit of a rate limit is `window` points of debt, so
-- that a bucket refilled with `refill` units a window pays back exactly `refill`
-- points a millisecond, and no fraction is ever lost. A bucket without refill
-- counts calls in flight.
local BUCKET = '<dd'

local function bucket_debt(raw, now, refill)
  if not raw then return 0, now end
  local debt, since = struct.unpack(BUCKET, raw)
  local at = math.max(since, now)
  return math.max(0, debt - (at - since) * refill), at
end
