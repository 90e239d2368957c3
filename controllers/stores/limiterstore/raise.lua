-- Raises a high-water mark, unless it is as high.
--
-- KEYS[1]   mark
--
-- ARGV[1]   number to raise it to

if tonumber(redis.call('GET', KEYS[1]) or 0) < tonumber(ARGV[1]) then redis.call('SET', KEYS[1], ARGV[1]) end
return 1
