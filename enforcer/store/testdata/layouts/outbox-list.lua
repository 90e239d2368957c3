-- A benchmark's fixture: a settled call leaves the hash of calls and goes to a list.
local function post(id, _, entry)
  redis.call('HDEL', KEYS[1], id)
  redis.call('RPUSH', KEYS[2], entry)
  return id
end
