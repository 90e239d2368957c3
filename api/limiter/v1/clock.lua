-- The limiter's time, by which periods turn, calls are recorded and buckets fill. It only
-- goes forward, which the clock of Redis does not: that is set, and another Redis that
-- takes over has another one. So the time is kept with the data, in a key of the shard:
-- two packed doubles, the time and what the clock of Redis said then, in ms since the Unix
-- epoch.
--
-- While the clock is not behind, the time is the clock's. When the clock has been set
-- back, the time goes on from where it was, at nine tenths of the clock's pace until the
-- clock has caught up. A time that is further ahead than MOST_AHEAD is not believed: the
-- clock must have been absurdly wrong. Then the time is the clock's again, and counters
-- that lie as far ahead are broken; see counters.lua.
--
-- A clock that is behind the time may be set forward again, which is no reason for the time
-- to go on: else each time that the clock is set wrong and right would take the time further
-- ahead. So no more than a minute counts from one script to the next; managers see to it
-- that no shard waits for longer.
local MOST_AHEAD = 48 * 3600 * 1000 -- ms; limiterv1.MostAhead
local LONGEST_GAP = 60 * 1000 -- ms; limiterv1.LongestGap
local PACE = 0.9
-- How far the time may go back when the clock does, as it is not written at every call. A
-- counter that has turned is never turned back; see admit.lua.
local GRAIN = 100 -- ms

-- limiter_time answers the time in whole ms, and whether it is ahead of the clock. Who only
-- reads writes no time, except while it is ahead, when its pace counts.
local function limiter_time(key, reads)
  local time = redis.call('TIME')
  local clock = time[1] * 1000 + math.floor(time[2] / 1000)
  local stored = redis.call('GET', key)
  local last, at, known = clock, clock, false
  if stored and #stored == 16 then
    last, at = struct.unpack('<dd', stored)
    known = last - clock <= MOST_AHEAD and at >= 0 and at <= last -- a number that is none compares with nothing
    if not known then last, at = clock, clock end
  end
  local now = last
  if clock > at then now = last + math.min(clock - at, LONGEST_GAP) * PACE end
  if now < clock then now = clock end
  local writes = not reads or now > clock
  if clock < at or writes and (not known or clock - at >= GRAIN) then
    redis.call('SET', key, struct.pack('<dd', now, clock))
  end
  return math.floor(now), now > clock
end
