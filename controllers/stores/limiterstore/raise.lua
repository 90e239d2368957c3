-- Raises a high-water mark, unless it is lower than it was seen: then the data has gone
-- back, and the mark stays to tell of it.
--
-- KEYS[1]   mark
--
-- ARGV[1]   number that it was seen to have
-- ARGV[2]   number to raise it to, unless it is as high
--
-- Answers 1, or 0 when it is lower than it was seen.

local mark = tonumber(redis.call('GET', KEYS[1]) or 0)
if mark < tonumber(ARGV[1]) then return 0 end
if mark < tonumber(ARGV[2]) then redis.call('SET', KEYS[1], ARGV[2]) end
return 1
