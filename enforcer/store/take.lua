-- Takes a part of an open call's bound for another call, which then is open in its
-- stead: both hold in the same counters, which do not change. So a call that was
-- admitted from a share while Redis was away becomes a call like any other.
--
-- KEYS, ARGV: see counters.lua. An account has no numbers of its limits, which are those of
-- money. A call's text is kept in its record, for whoever ends the call; its numbers: how much it
-- takes, nano-USD. Behind them, each call has the id of the call to take from.
--
-- Answers for each call one of
--   'taken'    also where it was taken before
--   'gone'     there is no such open call, or it has too little
--   'fenced'   the session was declared dead; another ends its calls

return each_call(4, function(id, note, counting, numbers, at, from)
  local amount = unpack_struct('<d', numbers, at)
  if is_fenced then return 'fenced' end
  if records[id] then return 'taken' end
  local open = records[from] or redis.call('HGET', KEYS[1], from)
  if not open or string.sub(open, 1, 1) == 'S' then return 'gone' end
  local bound, admitted_at = read_call(open, time)
  if not bound then
    -- What it held stays held until all is counted anew, and nothing is left to take.
    mender().unreadable_call(counting, open)
    record_call(from, 'H' .. pack('<dd', 0, time) .. string.sub(open, HEAD + 1))
    return 'gone'
  end
  if bound < amount then return 'gone' end
  record_call(from, 'H' .. pack('<dd', bound - amount, admitted_at) .. string.sub(open, HEAD + 1))
  record_call(id, 'H' .. pack('<dd', amount, admitted_at) .. note)
  return 'taken'
end)
