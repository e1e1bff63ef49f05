-- renew makes a claim last longer, if its caller still holds the lease.
--
-- KEYS[1] i:<key>
-- ARGV 1 now, 2 lease, 3 how long from now (us)
-- Returns the lease then, or '' if it was lost.
if redis.call('HGET', KEYS[1], 'l') ~= ARGV[2] then return '' end
local lease = int(gcra_now(ARGV[1]) + tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'l', lease)
return lease
