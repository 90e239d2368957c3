-- Drops calls of a session that the ledger has. Those of a session that was declared dead are
-- left to its adopter, which may have charged them in full, and drops them when the tenants
-- that count them are being recounted.
--
-- KEYS[1]   calls of the session: hash, call id -> record, and 'fenced'
--
-- ARGV      call ids
--
-- Answers how many were dropped.

if redis.call('HEXISTS', KEYS[1], 'fenced') == 1 then return 0 end
return redis.call('HDEL', KEYS[1], unpack(ARGV))
