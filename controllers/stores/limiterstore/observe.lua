-- Reads the live sessions of enforcers and, if an id is given, a document, all at
-- one moment. A session whose heartbeat is yet to come, because the clock was set back since,
-- is silent from now on.
--
-- KEYS[1]   sessions: sorted set, session -> time of its last heartbeat, ms
-- KEYS[2]   session states: hash, session -> JSON
-- KEYS[3]   incarnation
-- KEYS[4]   documents: hash, id -> "<revision> <body>"
-- KEYS[5]   epoch: JSON
--
-- ARGV[1]   how long a session lives after a heartbeat, ms
-- ARGV[2]   id of the document, or ''
--
-- Answers {incarnation, epoch, document, session, state, silent, session, state,
-- silent...}, where what is missing is '', and silent is the time since the session's
-- last heartbeat, ms.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local document = ARGV[2] ~= '' and redis.call('HGET', KEYS[4], ARGV[2])
local answer = { redis.call('GET', KEYS[3]) or '', redis.call('GET', KEYS[5]) or '', document or '' }

for _, session in ipairs(redis.call('ZRANGE', KEYS[1], '(' .. string.format('%d', now), '+inf', 'BYSCORE')) do
  redis.call('ZADD', KEYS[1], now, session)
end
local live = redis.call('ZRANGE', KEYS[1], '(' .. string.format('%d', now - ARGV[1]), '+inf', 'BYSCORE', 'WITHSCORES')
for i = 1, #live, 2 do
  answer[#answer + 1] = live[i]
  answer[#answer + 1] = redis.call('HGET', KEYS[2], live[i]) or ''
  answer[#answer + 1] = string.format('%d', now - live[i + 1])
end
return answer
