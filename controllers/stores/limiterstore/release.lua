-- Lets the calls of a tenant end whose counters will not be set again, because its document
-- is withdrawn: the manager that suspended the tenant may have died, and then nothing else
-- would resume it. Whoever is setting the counters at this moment has to begin anew.
--
-- KEYS[1]   counters of the tenant: hash
--
-- Answers 1.

local number = string.match(redis.call('HGET', KEYS[1], 'epoch') or '', '^closed:(%d+):.')
if number then redis.call('HSET', KEYS[1], 'epoch', 'closed:' .. number .. ':') end
return 1
