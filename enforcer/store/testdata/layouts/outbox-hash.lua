-- A benchmark's fixture: a settled call stays in the hash of calls.
local function post(id, cost, entry)
  redis.call('HSET', KEYS[1], id, 'S' .. struct.pack('<dd', cost, 0) .. entry)
  return id
end
