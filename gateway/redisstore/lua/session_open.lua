-- session_open gives a session to a browser. The link works again, for whoever
-- comes with it, until something was sent: the first reply may have been lost,
-- or fetched by something that no person looks at. Then the link is dead.
--
-- ARGV 1 now, 2 browser
-- Returns 'done', 'unknown', 'over' or 'taken'.
local refused = refusal(gcra_now(ARGV[1]), '')
if refused then return refused end
if get('n') ~= '0' then return 'taken' end
redis.call('HSET', KEYS[1], 'b', ARGV[2])
redis.call('HDEL', KEYS[1], 'd') -- what another browser typed is not for this one
return 'done'
