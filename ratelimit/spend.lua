-- Spends one request from a bucket.
--
-- KEYS[1]  the bucket
-- ARGV[1]  now in microseconds; 0 for the server's own time
-- ARGV[2]  interval in microseconds
-- ARGV[3]  burst
--
-- Returns {wait in microseconds, 0 when allowed; requests remaining}.
local now = gcra_now(ARGV[1])
local wait, tat, remaining = gcra_check(
  redis.call('GET', KEYS[1]), now, tonumber(ARGV[2]), tonumber(ARGV[3]))
gcra_store(KEYS[1], tat, now)
return {wait, remaining}
