-- A benchmark's fixture: a key for each limit, numbers as text, each with an expiry,
-- as gateways do that have one limiter for each limit.
-- KEYS[3..8]: the tenant's counters, its bucket; the user's counters, its bucket

local function read()
  local v = {}
  for key = 3, 8 do
    local fields = key % 3 == 2 and redis.call('HMGET', KEYS[key], 'debt', 'at')
      or redis.call('HMGET', KEYS[key], 'start', 'spent', 'held')
    for i = 1, #fields do v[#v + 1] = tonumber(fields[i] or 0) end
  end
  return v
end

-- As text, so that no digit is lost.
local function text(number) return string.format('%.0f', number) end

local function write(v)
  local s = 0
  for key = 3, 8 do
    if key % 3 == 2 then
      redis.call('HSET', KEYS[key], 'debt', text(v[s + 1]), 'at', text(v[s + 2]))
      s = s + 2
    else
      redis.call('HSET', KEYS[key], 'start', text(v[s + 1]), 'spent', text(v[s + 2]), 'held', text(v[s + 3]))
      s = s + 3
    end
    redis.call('PEXPIRE', KEYS[key], 86400000)
  end
end
