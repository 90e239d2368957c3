-- Removes a session.
--
-- KEYS[1]  sessions
-- KEYS[2]  session states
--
-- ARGV[1]  session
-- ARGV[2]  channel to publish ARGV[3] on

redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
