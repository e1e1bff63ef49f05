-- settle says how a delivery went. Who lost the lease, because it took too long,
-- may only say that the event was delivered.
--
-- KEYS[1] o:<app>  KEYS[2] d:<app>  KEYS[3] e:<event>
-- ARGV 1 now, 2 event, 3 lease, 4 'done', 'retry' or 'dead', 5 when to try
--      next (us from now) or why it is given up, 6 attempts to add
-- Returns 1, or 0 if the lease was lost.
local now, event, outcome = gcra_now(ARGV[1]), ARGV[2], ARGV[4]
if outcome == 'done' then
  redis.call('ZREM', KEYS[1], event)
  redis.call('ZREM', KEYS[2], event)
  redis.call('DEL', KEYS[3])
  return 1
end
if tonumber(redis.call('ZSCORE', KEYS[1], event) or 0) ~= tonumber(ARGV[3]) then return 0 end
if redis.call('EXISTS', KEYS[3]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[3], 'n', ARGV[6])
if outcome == 'retry' then
  place(KEYS[1], event, now + tonumber(ARGV[5]))
else
  redis.call('ZREM', KEYS[1], event)
  redis.call('HSET', KEYS[3], 'y', ARGV[5])
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', int(now - EVENT_MEMORY * 1000))
  place(KEYS[2], event, now)
end
return 1
