-- Declares a session dead if its last heartbeat is the one that the adopter has
-- watched for a session's life and is too long ago: from then on its heartbeats are not
-- heard. One that is yet to come is from before the clock was set back: then only the
-- adopter knows how long ago it was. One adopter at a time gets its calls.
--
-- KEYS[1]  sessions: sorted set, session -> time of its last heartbeat, ms
-- KEYS[2]  fence of the session
-- KEYS[3]  the session that adopts it
--
-- ARGV[1]  session
-- ARGV[2]  the session that wants to adopt it
-- ARGV[3]  its last heartbeat, as watched
-- ARGV[4]  how long a session lives after a heartbeat, ms
-- ARGV[5]  how long the fence stands, ms
--
-- Answers 1 when the session is dead and the caller's to adopt, else 0.

local beat = redis.call('ZSCORE', KEYS[1], ARGV[1])
if not beat or tonumber(beat) ~= tonumber(ARGV[3]) then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local silent = now - tonumber(beat)
if silent >= 0 and silent < tonumber(ARGV[4]) then return 0 end

redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[5])
local adopter = redis.call('GET', KEYS[3])
if adopter and adopter ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[4])
return 1
