-- Has the money counters of tenants counted anew, by the control plane, from the ledger
-- and the calls that are on their way there: it does so with what is not marked as valid.
--
-- KEYS      counters of the tenants: hash
--
-- ARGV[1]   channel to publish ARGV[2] on
-- ARGV[2]   news that names the tenants

for _, key in ipairs(KEYS) do
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if string.sub(field, 1, 6) == 'valid:' and field ~= 'valid:in-flight' then redis.call('HDEL', key, field) end
  end
  redis.call('HDEL', key, 'estimated') -- who counts anew says so where it is so still
  -- Whoever counts at this moment may have read what is not true any more: another ticket
  -- has that begin anew.
  local epoch = redis.call('HGET', key, 'epoch')
  if epoch and string.sub(epoch, 1, 7) == 'closed:' then redis.call('HSET', key, 'epoch', epoch .. '*') end
end
redis.call('PUBLISH', ARGV[1], ARGV[2])
return 1
