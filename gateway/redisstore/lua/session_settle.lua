-- session_settle ends a claim, if its caller still holds the lease.
--
-- ARGV 1 now, 2 lease, 3 verification that is current now, or '' for the same,
--      4 when that expires (us)
if get('l') ~= ARGV[2] or ARGV[2] == '' then return 0 end
redis.call('HDEL', KEYS[1], 'l')
if ARGV[3] == '' then return 1 end
local now = gcra_now(ARGV[1])
redis.call('HSET', KEYS[1], 'v', ARGV[3], 'g', get('f'))
redis.call('HDEL', KEYS[1], 'f', 'e')
local expires = tonumber(ARGV[4])
if tonumber(get('x')) < expires then
  redis.call('HSET', KEYS[1], 'x', int(expires))
  keep(expires, now)
end
return 1
