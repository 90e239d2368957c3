-- Reads the documents that changed after a revision, oldest change first, one page.
--
-- KEYS[1]  documents: hash, document id -> "<revision> <body>"
-- KEYS[2]  changes: sorted set, document id -> revision of its last change
-- KEYS[3]  revision of the newest change
-- KEYS[4]  incarnation
-- KEYS[5]  incarnation that is complete
-- KEYS[6]  pruned: "<incarnation> <revision>"
--
-- ARGV[1]  incarnation that revision ARGV[2] belongs to; for another, everything is new
-- ARGV[2]  revision
-- ARGV[3]  size of a page, at least 1
-- ARGV[4]  the pruned revision that was answered with the page before
--
-- Answers {incarnation, complete, from, upto, more, pruned, id, document, id, document, ...}: the
-- page has what changed after revision `from`, which is ARGV[2], or 0 when everything is
-- new, up to revision `upto`; more is 1 when another page follows. complete is 1 when
-- every document of the incarnation was put. A document that was withdrawn is empty. What was
-- withdrawn up to revision `pruned` may be missing, so whoever has not read so far reads
-- everything anew. A missing incarnation is empty, too.

local incarnation = redis.call('GET', KEYS[4])
if not incarnation then return { '', 0, 0, 0, 0, 0 } end
local complete = redis.call('GET', KEYS[5]) == incarnation and 1 or 0
local newest = tonumber(redis.call('GET', KEYS[3]) or 0)

local of, pruned = string.match(redis.call('GET', KEYS[6]) or '', '^(.*) (%d+)$')
pruned = of == incarnation and tonumber(pruned) or 0

local from, size, known = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if incarnation ~= ARGV[1] or newest < from or from < pruned and known < pruned then
  -- Another incarnation; or an earlier state of this one, restored from a backup; or one whose
  -- withdrawn documents are not known any more.
  from = 0
end

-- A page ends with the last change of a revision, so that none is split.
local upto, more = newest, 0
local nth = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. from, '+inf', 'WITHSCORES', 'LIMIT', size - 1, 1)
if nth[2] and tonumber(nth[2]) < newest then
  upto, more = tonumber(nth[2]), 1
end

local answer = { incarnation, complete, from, upto, more, pruned }
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. from, upto)) do
  answer[#answer + 1] = id
  answer[#answer + 1] = redis.call('HGET', KEYS[1], id) or ''
end
return answer
