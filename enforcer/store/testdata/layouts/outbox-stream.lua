-- A benchmark's fixture: a settled call leaves the hash of calls and goes to a stream.
local function post(id, _, entry)
  redis.call('HDEL', KEYS[1], id)
  return redis.call('XADD', KEYS[2], '*', 'entry', entry)
end
