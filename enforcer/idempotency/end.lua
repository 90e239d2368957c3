-- Ends a claim, unless another stands by now.
--
-- KEYS[1]  the claim
--
-- ARGV[1]  the claim as it was taken
-- ARGV[2]  what is to stand in its place for the rest of its time; empty releases it

if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
