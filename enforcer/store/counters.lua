-- What the scripts share: how counters and buckets are packed, and how they turn.
-- All numbers are doubles and stay whole and below 2^53, where doubles are exact.

-- A money counter counts the newest period it has seen and the one before it:
--   start, finish   bounds of the newest period, ms since the Unix epoch
--   spent, held     cost of settled calls, bounds of open calls, nano-USD
--   earlier_*       the same of the period before
local COUNTER = '<ddddddd'

local function read_counter(raw)
  local c = { start = 0, finish = 0, spent = 0, held = 0,
              earlier_start = 0, earlier_spent = 0, earlier_held = 0 }
  if raw then
    c.start, c.finish, c.spent, c.held,
    c.earlier_start, c.earlier_spent, c.earlier_held = struct.unpack(COUNTER, raw)
  end
  return c
end

local function write_counter(c)
  return struct.pack(COUNTER, c.start, c.finish, c.spent, c.held,
                     c.earlier_start, c.earlier_spent, c.earlier_held)
end

-- Turns the counter to the period [start, finish). While the period that it has
-- is not over, that one goes on: a tenant that moves to another time zone gets
-- other bounds, and must not get its money anew.
local function turn(c, start, finish)
  if start >= c.finish then
    c.earlier_start, c.earlier_spent, c.earlier_held = c.start, c.spent, c.held
    c.start, c.spent, c.held = start, 0, 0
  end
  c.start, c.finish = math.min(c.start, start), finish
end

-- A bucket is a level and the time it was true. One unit of the limit is `window`
-- points of level, so that a bucket refilled with `refill` units a window gains
-- exactly `refill` points a millisecond, and no fraction is ever lost.
local BUCKET = '<dd'

local function bucket_level(raw, now, capacity, refill)
  if not raw then return capacity, now end
  local level, since = struct.unpack(BUCKET, raw)
  local at = math.max(since, now)
  return math.min(capacity, level + (at - since) * refill), at
end
