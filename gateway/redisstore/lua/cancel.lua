-- cancel withdraws a pending verification.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 id, 3 app
-- Returns reply(): effect 'canceled'.
local now, id = gcra_now(ARGV[1]), ARGV[2]
local v, n = open(id, ARGV[3], now)
if not v then return n end
finish(v, id, 'canceled', now)
return done(v, n, id, now, 'canceled')
