-- load reads a verification and changes nothing.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 app
-- Returns reply().
local owner = redis.call('HGET', KEYS[1], 'a')
if not owner or (ARGV[2] ~= '' and owner ~= ARGV[2]) then return 'not_found\n' end
return reply(gcra_now(ARGV[1]))
