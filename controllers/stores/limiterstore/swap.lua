-- Puts an epoch in the place of the one that the caller has seen. What sessions
-- announced for that one is forgotten when another begins.
--
-- KEYS[1]   epoch: JSON
-- KEYS[2]   announced: hash, session -> number of an epoch
--
-- ARGV[1]   the epoch that was seen, '' for none
-- ARGV[2]   the epoch to put
-- ARGV[3]   channel of the configuration, to publish on that there is news
-- ARGV[4]   channel of the feed
-- ARGV[5]   what to publish on it
--
-- Answers 1 when it was put, 0 when another had come.

if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
if ARGV[1] == '' or cjson.decode(ARGV[1]).number ~= cjson.decode(ARGV[2]).number then
  redis.call('DEL', KEYS[2])
end
redis.call('PUBLISH', ARGV[3], 'epoch')
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
