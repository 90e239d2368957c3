-- After rules.lua: admits a call, all or nothing. Answers 1, or 0 for a refusal.
local v, bound = read(), n[1]
for half = 0, 1 do
  local s, a = half * 8, 1 + half * 9
  for _ = 1, 2 do
    if v[s + 1] < n[a + 3] then v[s + 1], v[s + 2], v[s + 3] = n[a + 3], 0, 0 end
    if v[s + 2] >= n[a + 2] or v[s + 2] + v[s + 3] + bound > n[a + 1] then return 0 end
    v[s + 3] = v[s + 3] + bound
    s, a = s + 3, a + 3
  end
  local after = debt(v, s + 1, n[a + 2]) + n[a + 3]
  if after > n[a + 1] then return 0 end
  v[s + 1], v[s + 2] = after, now
end
write(v)
redis.call('HSET', KEYS[1], ARGV[1], 'H' .. struct.pack('<dd', bound, now) .. ARGV[2])
return 1
