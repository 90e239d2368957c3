-- Says that a session lives, and what it runs.
--
-- KEYS[1]  sessions: sorted set, session -> time of its last beat, ms since the Unix epoch
-- KEYS[2]  session states: hash, session -> JSON
--
-- ARGV[1]  session
-- ARGV[2]  state
-- ARGV[3]  channel to publish ARGV[4] on when the state is new

local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], time[1] * 1000 + math.floor(time[2] / 1000), ARGV[1])
if redis.call('HGET', KEYS[2], ARGV[1]) ~= ARGV[2] then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
  redis.call('PUBLISH', ARGV[3], ARGV[4])
end
return 1
