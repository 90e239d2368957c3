-- Takes a part of an open call's bound for another call, which then is open in its
-- stead: both hold in the same counters, which do not change. So a call that was
-- admitted from a share while Redis was away becomes a call like any other.
--
-- KEYS[1]   calls of the session: hash, call id -> record, and 'fenced'
-- KEYS[2..] counters that both hold in and the shard's clock, as for an admission
--
-- ARGV[1]   id of the call to take from
-- ARGV[2]   id of the call that takes
-- ARGV[3]   what the session wants to know of it
-- ARGV[4]   numbers: how much it takes, nano-USD; for each key from KEYS[2] how many
--           money limits
-- ARGV[5..] fields of the money limits in each key from KEYS[2]
--
-- Answers one of
--   'taken'    also where it was taken before
--   'gone'     there is no such open call, or it has too little
--   'fenced'   the session was declared dead; another ends its calls

local from, id, note, numbers = ARGV[1], ARGV[2], ARGV[3], unpack_numbers(ARGV[4])
local amount = numbers[1]

local own = redis.call('HMGET', KEYS[1], from, id, 'fenced')
if own[3] then return 'fenced' end
if own[2] then return 'taken' end
if not own[1] or string.sub(own[1], 1, 1) == 'S' then return 'gone' end
local bound, admitted_at = read_call(own[1], (limiter_time(CLOCK)))
if not bound then
  -- What it held stays held until all is counted anew, and nothing is left to take.
  mender().tell('call', TENANT, 'calls', 'unreadable', own[1], 0)
  local field = 5
  for key = TENANT, LAST do
    for i = field, field + numbers[key] - 1 do mender().distrust(key, ARGV[i]) end
    field = field + numbers[key]
  end
  redis.call('HSET', KEYS[1], from, 'H' .. struct.pack('<dd', 0, (limiter_time(CLOCK))) .. string.sub(own[1], 18))
  return answered('gone')
end
if bound < amount then return 'gone' end
redis.call('HSET', KEYS[1],
  from, 'H' .. struct.pack('<dd', bound - amount, admitted_at) .. string.sub(own[1], 18),
  id, 'H' .. struct.pack('<dd', amount, admitted_at) .. note)
return 'taken'
