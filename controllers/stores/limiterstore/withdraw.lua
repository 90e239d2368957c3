-- Withdraws a document, if it is the caller's: if the first of the objects it was
-- compiled from has the caller's UID. Another object may have taken the name over.
--
-- KEYS      as in put.lua, without the term; then
-- KEYS[5]   probe answers: hash, tenant -> JSON
-- KEYS[6]   roots of the trees that tenants have left: hash, tenant -> root
-- KEYS[7]   term
--
-- ARGV[1]   id
-- ARGV[2]   UID of the caller
-- ARGV[3]   channel to publish the revision of a change on
-- ARGV[4]   tenant whose document it is, or ''
-- ARGV[5]   root of the tenant's budget tree, or ''
-- ARGV[6]   the caller's term, or '' for one that is alone
--
-- Answers 1 when the document was withdrawn, 0 when there was none of the caller's, or
-- the error OVER when there is another term than the caller's, or LOST when there is no
-- incarnation and the caller has a term: what was lost may be restored in a moment.

local id, uid = ARGV[1], ARGV[2]

if ARGV[6] ~= '' and redis.call('GET', KEYS[7]) ~= ARGV[6] then return redis.error_reply('OVER the term is over') end
if ARGV[6] ~= '' and redis.call('EXISTS', KEYS[4]) == 0 then return redis.error_reply('LOST there is no configuration') end

local stored = redis.call('HGET', KEYS[1], id)
if not stored then return 0 end
local body = string.sub(stored, string.find(stored, ' ', 1, true) + 1)
if cjson.decode(body).sources[1].uid ~= uid then return 0 end

local revision = redis.call('INCR', KEYS[3])
redis.call('HDEL', KEYS[1], id)
redis.call('HDEL', KEYS[5], ARGV[4])
if ARGV[5] ~= '' then redis.call('HSET', KEYS[6], ARGV[4], ARGV[5]) end
-- The id stays among the changes: enforcers learn there that it is gone.
redis.call('ZADD', KEYS[2], revision, id)
redis.call('PUBLISH', ARGV[3], revision)
return 1
