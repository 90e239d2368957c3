-- Puts a whole configuration in the place of one that was lost, or of an earlier state of
-- the same one.
--
-- KEYS[1]  documents
-- KEYS[2]  changes
-- KEYS[3]  revision of the newest change
-- KEYS[4]  incarnation
-- KEYS[5]  incarnation that is complete
-- KEYS[6]  documents to restore, which were put aside
-- KEYS[7]  changes to restore, which were put aside
--
-- ARGV[1]  incarnation that the documents are of
-- ARGV[2]  revision up to which they are
-- ARGV[3]  incarnation to begin
-- ARGV[4]  channel to publish the revision on
-- ARGV[5]  how many documents were put aside
-- ARGV[6]  how many changes
--
-- Answers 1 when it was restored; 0 when there is a configuration that is as new or of
-- another incarnation; and the error PARTIAL when what was put aside is not all there.

local incarnation = redis.call('GET', KEYS[4])
local revision = tonumber(redis.call('GET', KEYS[3]) or 0)
if incarnation and (incarnation ~= ARGV[1] or revision >= tonumber(ARGV[2])) then
  redis.call('DEL', KEYS[6], KEYS[7])
  return 0
end
if redis.call('HLEN', KEYS[6]) ~= tonumber(ARGV[5]) or redis.call('ZCARD', KEYS[7]) ~= tonumber(ARGV[6]) then
  return redis.error_reply('PARTIAL the documents put aside are incomplete')
end

for i = 1, 2 do
  redis.call('DEL', KEYS[i])
  if redis.call('EXISTS', KEYS[i + 5]) == 1 then
    redis.call('RENAME', KEYS[i + 5], KEYS[i])
    redis.call('PERSIST', KEYS[i])
  end
end
redis.call('SET', KEYS[3], ARGV[2])
redis.call('SET', KEYS[4], ARGV[3])
redis.call('SET', KEYS[5], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[2])
return 1
