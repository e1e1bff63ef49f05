-- complete keeps the reply to a request, if its caller still holds the lease.
--
-- KEYS[1] i:<key>
-- ARGV 1 lease, 2 sealed reply
if redis.call('HGET', KEYS[1], 'l') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'o', ARGV[2])
redis.call('HDEL', KEYS[1], 'l')
return 1
