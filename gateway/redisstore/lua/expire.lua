-- expire ends what is due in one slot, a bounded number at a time. Of all
-- instances that try, one gets each id.
--
-- KEYS[1] due
-- ARGV 1 now, 2 most ids, 3 prefix of verification keys
-- Returns lines of "<id> <app> <channel> <m>".
local now = gcra_now(ARGV[1])
local out = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now), 'LIMIT', 0, ARGV[2])) do
  redis.call('ZREM', KEYS[1], id)
  local key = ARGV[3] .. id
  local v = redis.call('HMGET', key, 's', 'a', 'c', 'm')
  if v[1] == 'pending' then
    redis.call('HSET', key, 's', 'expired', 'up', int(now))
    redis.call('PUBLISH', slot .. 'w:' .. id, '')
    out[#out + 1] = table.concat({id, v[2], v[3], v[4]}, ' ')
  end
end
return table.concat(out, '\n')
