-- Reads money counters of a tenant, and the time at which they were so: the clock
-- of the Redis that has the counters is the one that periods turn by.
--
-- KEYS[1]   counters of the tenant: hash, field -> counter
--
-- ARGV      fields
--
-- Answers {now in ms since the Unix epoch, counter...}, where what is missing is ''.

local time = redis.call('TIME')
local answer = { time[1] * 1000 + math.floor(time[2] / 1000) }
for i, counter in ipairs(redis.call('HMGET', KEYS[1], unpack(ARGV))) do
  answer[i + 1] = counter or ''
end
return answer
