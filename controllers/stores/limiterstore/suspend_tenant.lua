-- Suspends a tenant if some of its counters that are wanted are not valid under the epoch.
-- What is valid stays, and nothing changes it while the tenant is suspended.
--
-- KEYS[1]   counters of the tenant: hash
-- KEYS[2]   number of the epoch in the shard
--
-- ARGV[1]   number of the epoch
-- ARGV[2]   ticket: only the last one to suspend the tenant may resume it
-- ARGV[3]   1: what is not wanted is no longer valid, because nothing counts it
-- ARGV[4..] what is wanted
--
-- The field 'epoch' is the number of the epoch while calls are admitted, and
-- "closed:<number>:<ticket>" while the tenant is suspended. A field 'valid:<what>' says that the
-- counters of that are valid: 'valid:<field>' the counter in that field,
-- 'valid:users:<field>' the counters in that field of all users, and likewise with groups and
-- keys.
--
-- Answers {state, what is wanted and not valid...}, where state is
--   'valid'        all is valid, and the tenant not suspended
--   'suspended'    some is to be set, or nothing is and the tenant is to be resumed
--   'superseded'   the counters are of a newer epoch, or the shard has lost the epoch: a
--                  recount that began before that must not make counters valid under it
--                  again, because enforcers admit calls until they hear of the loss

local epoch, ticket, own = ARGV[1], ARGV[2], ARGV[3] == '1'

if redis.call('GET', KEYS[2]) ~= epoch then return { 'superseded' } end
local was = redis.call('HGET', KEYS[1], 'epoch') or '0'
local admits = string.match(was, '^%d+$') and tonumber(was) -- 'nan' is a number to tonumber
local number = admits or tonumber(string.match(was, '^closed:(%d+):')) or 0
if number > tonumber(epoch) then return { 'superseded' } end
if number < tonumber(epoch) then
  redis.call('DEL', KEYS[1])
  admits = nil
end

local wanted, missing = {}, {}
for i = 4, #ARGV do
  local valid = 'valid:' .. ARGV[i]
  wanted[valid] = true
  if redis.call('HEXISTS', KEYS[1], valid) == 0 then missing[#missing + 1] = ARGV[i] end
end
if own then
  for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
    if string.sub(field, 1, 6) == 'valid:' and not wanted[field] then redis.call('HDEL', KEYS[1], field) end
  end
end
if admits and #missing == 0 then return { 'valid' } end

-- A counter that was counted once, and then not, must not be taken for the truth.
for _, field in ipairs(missing) do redis.call('HDEL', KEYS[1], field) end
redis.call('HSET', KEYS[1], 'epoch', 'closed:' .. epoch .. ':' .. ticket)
return { 'suspended', unpack(missing) }
