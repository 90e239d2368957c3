-- Ends a claim, unless another has replaced it.
--
-- KEYS[1]  the claim
--
-- ARGV[1]  the claim as it was taken
-- ARGV[2]  what is to stand in its place; empty releases it
-- ARGV[3]  for how long, ms, where the claim has been lost; else it is for the rest
--          of the claim's time

local standing = redis.call('GET', KEYS[1])
if standing and standing ~= ARGV[1] then return 0 end
if ARGV[2] == '' then return redis.call('DEL', KEYS[1]) end
if standing then
  redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
