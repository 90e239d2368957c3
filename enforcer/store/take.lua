-- Takes a part of an open call's bound for another call, which then is open in its
-- stead: both hold in the same counters, which do not change. So a call that was
-- admitted from a share while Redis was away becomes a call like any other.
--
-- KEYS[1]   calls of the session: hash, call id -> record, and 'fenced'
--
-- ARGV[1]   id of the call to take from
-- ARGV[2]   id of the call that takes
-- ARGV[3]   what the session wants to know of it
-- ARGV[4]   numbers: how much it takes, nano-USD
--
-- Answers one of
--   'taken'    also where it was taken before
--   'gone'     there is no such open call, or it has too little
--   'fenced'   the session was declared dead; another ends its calls

local from, id, note, amount = ARGV[1], ARGV[2], ARGV[3], unpack_numbers(ARGV[4])[1]

local own = redis.call('HMGET', KEYS[1], from, id, 'fenced')
if own[3] then return 'fenced' end
if own[2] then return 'taken' end
if not own[1] or string.sub(own[1], 1, 1) ~= 'H' then return 'gone' end
local bound, admitted_at = read_call(own[1])
if not bound or bound < amount then return 'gone' end
redis.call('HSET', KEYS[1],
  from, 'H' .. struct.pack('<dd', bound - amount, admitted_at) .. string.sub(own[1], 18),
  id, 'H' .. struct.pack('<dd', amount, admitted_at) .. note)
return 'taken'
