-- Sets counters of a tenant, or of one owner in it, while the tenant is suspended,
-- and resumes the tenant if asked to.
--
-- KEYS[1]   counters of the tenant: hash
-- KEYS[2]   counters to set: the tenant's again, or a user's, a group's or an API key's
--
-- ARGV[1]   number of the epoch
-- ARGV[2]   ticket with which the tenant was suspended
-- ARGV[3]   1: resume the tenant
-- ARGV[4]   when the counters may be forgotten, ms since the Unix epoch; 0 for never
-- ARGV[5..] field, value, field, value...
--
-- Answers 1, or 0 when somebody else has suspended or resumed the tenant since.

if redis.call('HGET', KEYS[1], 'epoch') ~= 'closed:' .. ARGV[1] .. ':' .. ARGV[2] then return 0 end
if #ARGV > 4 then redis.call('HSET', KEYS[2], unpack(ARGV, 5)) end
if KEYS[2] ~= KEYS[1] then -- what is set is not unknown any more
  local word = string.match(KEYS[2], '^bursar:{%d+}:(%a+):')
  for i = 5, #ARGV, 2 do redis.call('HDEL', KEYS[1], 'unknown:' .. word .. 's:' .. ARGV[i] .. '\0' .. KEYS[2]) end
end
if ARGV[4] ~= '0' then redis.call('PEXPIREAT', KEYS[2], ARGV[4]) end
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'epoch', ARGV[1]) end
return 1
