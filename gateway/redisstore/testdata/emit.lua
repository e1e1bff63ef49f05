-- emit for tests: as if something had happened to a verification.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 id, 3 what happened
-- Returns the event's id.
local now, v = gcra_now(ARGV[1]), load()
v.hook = '1'
return emit(v, ARGV[2], now, ARGV[3], reply(v, load_number(v.k), now))
