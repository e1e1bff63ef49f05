-- replay makes an event that was given up due again, with all its attempts.
--
-- KEYS[1] o:<app>  KEYS[2] d:<app>  KEYS[3] e:<event>
-- ARGV 1 now, 2 event
-- Returns 1, or 0 if there is no such event any more.
if redis.call('ZREM', KEYS[2], ARGV[2]) == 0 or redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
redis.call('HSET', KEYS[3], 'n', 0)
redis.call('HDEL', KEYS[3], 'y')
place(KEYS[1], ARGV[2], gcra_now(ARGV[1]))
return 1
