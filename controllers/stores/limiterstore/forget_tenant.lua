-- Forgets which counters of a tenant in a budget tree are valid, and with them those of
-- the whole tenant: nothing that counts against them is admitted until they are set anew.
-- Open calls can still end: whoever is setting counters of the tenant at this moment has to
-- begin anew.
--
-- KEYS[1]   counters of the tenant: hash
-- KEYS[2]   number of the epoch in the shard
--
-- ARGV[1]   number of the epoch
-- ARGV[2]   roots of the trees from which the tenant comes, whose open calls count here, too;
--           '' for none
--
-- Answers 1, or 0 when the counters are of a newer epoch, or the shard has lost the epoch.

if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
local was = redis.call('HGET', KEYS[1], 'epoch') or '0'
local number = tonumber(string.match(was, '^%d+$') or string.match(was, '^closed:(%d+):')) or 0
if number > tonumber(ARGV[1]) then return 0 end
if number < tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end
if number < tonumber(ARGV[1]) or string.sub(was, 1, 7) == 'closed:' then
  redis.call('HSET', KEYS[1], 'epoch', 'closed:' .. ARGV[1] .. ':')
end
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 6) == 'valid:' then redis.call('HDEL', KEYS[1], field, string.sub(field, 7)) end
end
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], 'formers')
else
  redis.call('HSET', KEYS[1], 'formers', ARGV[2])
end
return 1
