-- After rules.lua: ends a hold with its true cost. Answers what post answers.
-- Calls do not outlive their periods here: the product counts the period before too.
local record = redis.call('HGET', KEYS[1], ARGV[1])
if not record or string.sub(record, 1, 1) == 'S' then return 0 end
local v, cost, bound = read(), n[1], struct.unpack('<d', record, 2)
for half = 0, 1 do
  local s, a = half * 8, 1 + half * 9
  for _ = 1, 2 do
    v[s + 2], v[s + 3] = v[s + 2] + cost, v[s + 3] - bound
    s, a = s + 3, a + 3
  end
  v[s + 1], v[s + 2] = math.max(0, debt(v, s + 1, n[a + 2]) - n[a + 3]), now
end
write(v)
return post(ARGV[1], cost, ARGV[2])
