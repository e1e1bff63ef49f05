-- session_load reads a session.
--
-- ARGV 1 now
-- Returns reply(), or {} if there is none.
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end
return reply(gcra_now(ARGV[1]))
