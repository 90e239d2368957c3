-- Takes ids of withdrawn documents out of the changes, one page of these. Readers that have not
-- read so far read everything anew (changes.lua).
--
-- KEYS[1]  documents: hash, id -> "<revision> <body>"
-- KEYS[2]  changes: sorted set, id -> revision of its last change
-- KEYS[3]  pruned: "<incarnation> <revision>"
-- KEYS[4]  incarnation
-- KEYS[5]  term
--
-- ARGV[1]  incarnation that the revisions are of; of another, nothing is taken out
-- ARGV[2]  revision up to which ids are taken out
-- ARGV[3]  revision that the page follows
-- ARGV[4]  size of the page
-- ARGV[5]  the caller's term, or '' for one that is alone
--
-- Answers {revision of the page's last change, or 0 when there is no other page; how many ids were
-- taken out}, or the error OVER when there is another term than the caller's.

if ARGV[5] ~= '' and redis.call('GET', KEYS[5]) ~= ARGV[5] then return redis.error_reply('OVER the term is over') end
if redis.call('GET', KEYS[4]) ~= ARGV[1] then return { 0, 0 } end

redis.call('SET', KEYS[3], ARGV[1] .. ' ' .. ARGV[2])
local page = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[3], ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local pruned = 0
for i = 1, #page, 2 do
  if redis.call('HEXISTS', KEYS[1], page[i]) == 0 then
    pruned = pruned + redis.call('ZREM', KEYS[2], page[i])
  end
end
return { tonumber(page[#page] or 0), pruned }
