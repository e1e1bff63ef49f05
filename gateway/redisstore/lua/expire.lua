-- expire ends what is due in one slot, a bounded number at a time. Of all
-- instances that try, one gets each id.
--
-- KEYS[1] due
-- ARGV 1 now, 2 most ids, 3 prefix of verification keys
-- Returns lines of "<id> <app> <channel> <m>".
local now = gcra_now(ARGV[1])
local out = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now), 'LIMIT', 0, ARGV[2])) do
  local v = load(ARGV[3] .. id)
  if v and v.s == 'pending' then
    finish(v, id, 'expired', now)
    done(v, load_number(v.k), id, now, 'expired')
    out[#out + 1] = table.concat({id, v.a, v.c, v.m}, ' ')
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return table.concat(out, '\n')
