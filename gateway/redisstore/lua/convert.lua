-- convert notes that an attempt's code came back. Only the first time counts.
--
-- KEYS[1] tr:<app>, see attempt.lua
-- ARGV 1 now, 2 sid
-- Returns 1, or 0 if it was known, or there is no such attempt.
local known = redis.call('HGET', KEYS[1], ARGV[2])
if not known or string.sub(known, 1, 1) == 'c' then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], 'c' .. int(gcra_now(ARGV[1])) .. string.sub(known, 18))
return 1
