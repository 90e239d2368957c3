-- Records that a session lives, and what it runs, unless it was declared dead.
--
-- KEYS[1]  sessions: sorted set, session -> time of its last beat, ms since the Unix epoch
-- KEYS[2]  session states: hash, session -> JSON
-- KEYS[3]  fence of the session: exists once it was declared dead
--
-- ARGV[1]  session
-- ARGV[2]  state
-- ARGV[3]  channel to publish ARGV[4] on when the state is new
--
-- Answers 1, or 0 when the session was declared dead.

if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return 1
