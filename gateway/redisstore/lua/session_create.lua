-- session_create keeps a session. One that exists is left as it is: the same
-- request came twice.
--
-- ARGV 1 now, 2 app, 3 life (us), 4 keep (us), 5 sealed request
-- Returns reply().
local now = gcra_now(ARGV[1])
if redis.call('EXISTS', KEYS[1]) == 0 then
  local expires = now + tonumber(ARGV[3])
  redis.call('HSET', KEYS[1], 'a', ARGV[2], 's', 'pending', 'cr', int(now), 'x', int(expires),
    'ke', ARGV[4], 'p', ARGV[5], 'n', 0)
  keep(expires, now)
end
return reply(now)
