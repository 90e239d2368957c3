-- A benchmark's fixture, and no part of the product: the rules of an admission under
-- six limits, in as few words as possible, so that layouts of the state can be
-- compared on equal terms. A layout comes before this text, and reads and writes
--   v[1..3], v[4..6]     the tenant's two counters: start, spent, held
--   v[7..8]              the tenant's bucket: debt, at
--   v[9..16]             the same of the user
-- with read() and write(v); an outbox comes before it too: post(id, cost, entry).
--
-- KEYS[1]   calls of the session: hash, call id -> record
-- KEYS[2]   outbox, for those that are not that hash
-- KEYS[3..] what the layout wants
--
-- ARGV[1]   call id
-- ARGV[2]   record of an admission, entry of a settlement
-- ARGV[3]   packed numbers: bound or cost; for the tenant, then for the user: amount,
--           trip and start of two limits; capacity, refill and need of a bucket,
--           where need is what is given back when a call is settled

local n = { struct.unpack('<' .. string.rep('d', #ARGV[3] / 8), ARGV[3]) }
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function debt(v, at, refill) return math.max(0, v[at] - (now - v[at + 1]) * refill) end
