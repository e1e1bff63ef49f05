-- reserve claims an idempotency key for one caller at a time.
--
-- Fields: f fingerprint of the request, e seed, l leased until, o sealed reply.
--
-- KEYS[1] i:<key>
-- ARGV 1 now, 2 fingerprint, 3 a new seed, 4 lease (us), 5 keep (ms)
-- Returns {'new', seed, lease}, {'replay', reply}, {'conflict'} or {'mismatch'}.
-- A lease that ran out, because its holder died, is given to the next caller
-- with the seed of the first, so that it makes the same verification again.
local now = gcra_now(ARGV[1])
local v = redis.call('HMGET', KEYS[1], 'f', 'e', 'l', 'o')
if v[1] and v[1] ~= ARGV[2] then return {'mismatch'} end
if v[4] then return {'replay', v[4]} end
if v[3] and tonumber(v[3]) > now then return {'conflict'} end
local lease, seed = int(now + tonumber(ARGV[4])), v[2] or ARGV[3]
redis.call('HSET', KEYS[1], 'f', ARGV[2], 'e', seed, 'l', lease)
if not v[1] then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return {'new', seed, lease}
