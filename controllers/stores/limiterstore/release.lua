-- Lets calls of a tenant end whose counters nobody is going to set any more, because its
-- document is withdrawn: who has suspended the tenant may have died, and what it waits for
-- never comes. Who sets them at this moment is to begin anew.
--
-- KEYS[1]   counters of the tenant: hash
--
-- Answers 1.

local number = string.match(redis.call('HGET', KEYS[1], 'epoch') or '', '^closed:(%d+):.')
if number then redis.call('HSET', KEYS[1], 'epoch', 'closed:' .. number .. ':') end
return 1
