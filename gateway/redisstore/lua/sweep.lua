-- sweep ends what is due in one slot and says what is to move on, a bounded number
-- of each at a time. Of all instances that try, one gets each id: one that is to
-- move on comes back only if that hasn't happened when its lease ends.
--
-- KEYS[1] due  KEYS[2] next
-- ARGV 1 now, 2 most ids, 3 prefix of verification keys, 4 lease (us)
-- Returns lines: "<id> <app> <channel> <provider> <m>" for each that expired,
-- with the provider that was asked last, and "<id>" for each that is to move on.
local now = gcra_now(ARGV[1])
local out = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now), 'LIMIT', 0, ARGV[2])) do
  local v = load(ARGV[3] .. id)
  if v and v.s == 'pending' then
    finish(v, id, 'expired', now)
    done(v, load_number(v.k), id, now, 'expired')
    local provider = string.match(delivery_of(v, v.q), '^[^|]*')
    out[#out + 1] = table.concat({id, v.a, v.c, provider, v.m}, ' ')
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', int(now), 'LIMIT', 0, ARGV[2])) do
  if redis.call('HEXISTS', ARGV[3] .. id, 'g') == 1 then
    redis.call('ZADD', KEYS[2], int(now + tonumber(ARGV[4])), id)
    out[#out + 1] = id
  else
    redis.call('ZREM', KEYS[2], id) -- it was forgotten
  end
end
return table.concat(out, '\n')
