-- Gives back requests to a bucket.
--
-- KEYS[1]  the bucket
-- ARGV[1]  now in microseconds; 0 for the server's own time
-- ARGV[2]  the time in which they would be regained, in microseconds
--
-- Returns 1, or 0 when the bucket was full already.
local tat = redis.call('GET', KEYS[1])
if not tat then return 0 end
gcra_store(KEYS[1], tonumber(tat) - tonumber(ARGV[2]), gcra_now(ARGV[1]))
return 1
