-- load reads a verification and changes nothing.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 app
-- Returns reply().
local v = load()
if not v or (ARGV[2] ~= '' and v.a ~= ARGV[2]) then return NOT_FOUND end
return reply(v, load_number(v.k), gcra_now(ARGV[1]))
