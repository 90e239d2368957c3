-- Leaves some of the calls of a session in a shard, while the epoch is being rebuilt; settled
-- ones also later.
--
-- KEYS[1]   calls of the session: hash, call id -> record, and 'fenced'
-- KEYS[2]   number of the epoch that is open in the shard
--
-- ARGV[1]   number of the epoch that is announced for; '' if the calls may be left though the
--           epoch is open
-- ARGV[2]   how many calls are dropped
-- ARGV[3..] their ids; then id, record, id, record...
--
-- Answers one of
--   'left'
--   'late'     the epoch is open: calls are admitted that the session does not announce
--   'fenced'   the session was declared dead; another ends its calls

if redis.call('GET', KEYS[2]) == ARGV[1] then return 'late' end
if redis.call('HEXISTS', KEYS[1], 'fenced') == 1 then return 'fenced' end
local dropped = 2 + ARGV[2]
if dropped > 2 then redis.call('HDEL', KEYS[1], unpack(ARGV, 3, dropped)) end
if #ARGV > dropped then redis.call('HSET', KEYS[1], unpack(ARGV, dropped + 1)) end
return 'left'
