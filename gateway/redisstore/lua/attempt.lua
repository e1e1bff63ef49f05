-- attempt records that a message or call was asked for, and forgets some of what
-- is too old or too much: more than one record brings, so memory stays bounded.
--
-- Keys, beside lib.lua's:
--   ta:<app>  sorted set, attempts by when they were asked for (microseconds)
--   tr:<app>  hash, a record for each: 'u' (unconverted) or 'c' (converted), when
--             that changed and when it was asked for, 16 digits each, and what
--             only Go reads
--
-- KEYS[1] ta:<app>  KEYS[2] tr:<app>
-- ARGV 1 now, 2 sid (16 bytes), 3 when it was asked for, 4 record, 5 how long
--      records are kept (us), 6 how many
-- Returns how many are kept. One that is known is left as it is.
local BATCH = 16
local now, keep = gcra_now(ARGV[1]), tonumber(ARGV[5])
redis.call('ZADD', KEYS[1], 'NX', ARGV[3], ARGV[2])
redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[4])

local excess = math.min(redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[6]), BATCH)
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. int(now - keep), 'LIMIT', 0, BATCH)
if #gone < excess then gone = redis.call('ZRANGE', KEYS[1], 0, excess - 1) end
if #gone > 0 then
  redis.call('ZREM', KEYS[1], unpack(gone))
  redis.call('HDEL', KEYS[2], unpack(gone))
end
redis.call('PEXPIRE', KEYS[1], int(keep / 1000))
redis.call('PEXPIRE', KEYS[2], int(keep / 1000))
return redis.call('ZCARD', KEYS[1])
