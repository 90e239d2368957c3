-- Takes the limiter's time forward to a moment that is on record.
--
-- KEYS[1]   clock of the shard, for limiter_time
--
-- ARGV[1]   the moment, ms since the Unix epoch; an earlier one than now changes nothing
--
-- Answers the limiter's time.

local now, to = limiter_time(KEYS[1], true), tonumber(ARGV[1])
if to <= now then return now end
local time = redis.call('TIME')
redis.call('SET', KEYS[1], struct.pack('<dd', to, time[1] * 1000 + math.floor(time[2] / 1000)))
return to
