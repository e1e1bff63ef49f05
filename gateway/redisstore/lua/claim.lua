-- claim leases due events of one slot. Of all instances that try, one gets each.
--
-- KEYS[1…] o:<app>, of each app asked for
-- ARGV 1 now, 2 lease (us), 3 most events of one app
-- Returns, for each event: place of its app in KEYS, id, t, at, n, s, lease.
local now = gcra_now(ARGV[1])
local lease = now + tonumber(ARGV[2])
local out = {}
for i, key in ipairs(KEYS) do
  for _, event in ipairs(redis.call('ZRANGEBYSCORE', key, '-inf', int(now), 'LIMIT', 0, ARGV[3])) do
    local e = redis.call('HMGET', slot .. 'e:' .. event, 't', 'at', 'n', 's')
    if e[1] then
      place(key, event, lease)
      for _, value in ipairs({int(i), event, e[1], e[2], e[3], e[4], int(lease)}) do out[#out + 1] = value end
    else
      redis.call('ZREM', key, event)
    end
  end
end
return out
