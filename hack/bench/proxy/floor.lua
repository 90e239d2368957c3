-- A floor of the benchmark: admits a call under six limits, all or nothing. Of the tenant, and
-- of the user, there are two counters (spent and held of a day and of a month) and a bucket
-- (debt, and when it was so), packed into one value.
--
-- KEYS[1]  the tenant's value, KEYS[2] the user's
-- ARGV[1]  packed doubles: the bound, four amounts, the capacities of two buckets
local n = { struct.unpack('<ddddddd', ARGV[1]) }
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local stored = redis.call('MGET', KEYS[1], KEYS[2])
local changed = {}
for half = 1, 2 do
  local v = { 0, 0, 0, 0, 0, now }
  if stored[half] then v = { struct.unpack('<dddddd', stored[half]) } end
  for i = 1, 2 do
    local held = 2 * i
    if v[held - 1] + v[held] + n[1] > n[2 * half - 1 + i] then return 0 end
    v[held] = v[held] + n[1]
  end
  local debt = math.max(0, v[5] - (now - v[6]) * n[5 + half])
  if debt + 1 > n[5 + half] then return 0 end
  changed[half] = struct.pack('<dddddd', v[1], v[2], v[3], v[4], debt + 1, now)
end
redis.call('MSET', KEYS[1], changed[1], KEYS[2], changed[2])
return 1
