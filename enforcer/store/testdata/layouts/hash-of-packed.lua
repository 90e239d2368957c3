-- A benchmark's fixture: a hash for the tenant and one for the user, and in each a
-- packed field for each limit, as the product has it.
-- KEYS[3]: the tenant; KEYS[4]: the user

local function read()
  local v = {}
  for key = 3, 4 do
    local stored = redis.call('HMGET', KEYS[key], 'first', 'second', 'bucket')
    local s = (key - 3) * 8
    for i = 0, 1 do
      if stored[i + 1] then
        v[s + 1], v[s + 2], v[s + 3] = struct.unpack('<ddd', stored[i + 1])
      else
        v[s + 1], v[s + 2], v[s + 3] = 0, 0, 0
      end
      s = s + 3
    end
    if stored[3] then
      v[s + 1], v[s + 2] = struct.unpack('<dd', stored[3])
    else
      v[s + 1], v[s + 2] = 0, 0
    end
  end
  return v
end

local function write(v)
  for key = 3, 4 do
    local s = (key - 3) * 8
    redis.call('HSET', KEYS[key], 'first', struct.pack('<ddd', v[s + 1], v[s + 2], v[s + 3]),
      'second', struct.pack('<ddd', v[s + 4], v[s + 5], v[s + 6]), 'bucket', struct.pack('<dd', v[s + 7], v[s + 8]))
  end
  redis.call('PEXPIRE', KEYS[4], 86400000)
end
