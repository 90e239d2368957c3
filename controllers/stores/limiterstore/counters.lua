-- Reads money counters of a tenant, and the limiter's time at which they were so.
--
-- KEYS[1]   counters of the tenant: hash, field -> counter
-- KEYS[2]   clock of the shard, for limiter_time
--
-- ARGV      fields
--
-- Answers {now in ms since the Unix epoch, counter...}, where what is missing is ''.

local answer = { (limiter_time(KEYS[2], true)) }
for i, counter in ipairs(redis.call('HMGET', KEYS[1], unpack(ARGV))) do
  answer[i + 1] = counter or ''
end
return answer
