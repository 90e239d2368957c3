-- A benchmark's fixture: one packed string for the tenant and one for the user.
-- KEYS[3]: the tenant; KEYS[4]: the user

local HALF = '<dddddddd'

local function read()
  local stored = redis.call('MGET', KEYS[3], KEYS[4])
  local empty = string.rep('\0', 64)
  return { struct.unpack('<dddddddddddddddd', (stored[1] or empty) .. (stored[2] or empty)) }
end

local function write(v)
  redis.call('SET', KEYS[3], struct.pack(HALF, unpack(v, 1, 8)))
  redis.call('SET', KEYS[4], struct.pack(HALF, unpack(v, 9, 16)), 'PX', 86400000)
end
