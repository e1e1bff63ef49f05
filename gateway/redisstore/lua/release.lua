-- release forgets an idempotency key, if its caller still holds the lease.
--
-- KEYS[1] i:<key>
-- ARGV 1 lease
if redis.call('HGET', KEYS[1], 'l') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
