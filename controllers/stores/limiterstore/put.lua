-- Puts a document, and gives it a new revision unless it is there already with
-- the same body.
--
-- KEYS[1]   documents: hash, id -> "<revision> <body>"
-- KEYS[2]   changes: sorted set, id -> revision of its last change
-- KEYS[3]   revision of the newest change
-- KEYS[4]   incarnation: random name of this life of the configuration
-- KEYS[5]   term
--
-- ARGV[1]   id
-- ARGV[2]   body
-- ARGV[3]   incarnation to begin, if none has begun, or '' to begin none
-- ARGV[4]   channel to publish the revision of a change on
-- ARGV[5]   the caller's term, or '' for one that is alone
--
-- Answers {revision that the document has, 1 if it is new or 0}, or the error OVER when
-- there is another term than the caller's, or LOST when there is no incarnation and the
-- caller begins none.

local id, body = ARGV[1], ARGV[2]

if ARGV[5] ~= '' and redis.call('GET', KEYS[5]) ~= ARGV[5] then return redis.error_reply('OVER the term is over') end

if ARGV[3] ~= '' then
  redis.call('SET', KEYS[4], ARGV[3], 'NX')
elseif redis.call('EXISTS', KEYS[4]) == 0 then
  return redis.error_reply('LOST there is no configuration')
end

local stored = redis.call('HGET', KEYS[1], id)
if stored then
  local space = string.find(stored, ' ', 1, true)
  if string.sub(stored, space + 1) == body then
    return { tonumber(string.sub(stored, 1, space - 1)), 0 }
  end
end

local revision = redis.call('INCR', KEYS[3])
redis.call('HSET', KEYS[1], id, string.format('%d', revision) .. ' ' .. body)
redis.call('ZADD', KEYS[2], revision, id)
redis.call('PUBLISH', ARGV[4], revision)
return { revision, 1 }
