-- failover marks a delivery failed and records the one that follows it, before
-- the next provider is asked; unless a later send has taken its place.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 rules, 3 id, 4 app, 5 the delivery that failed, 6 next provider or '',
--      7 '1' if it may have been sent all the same, else '0', 8 what follows the next
-- Returns reply(): effect 'send', or 'report' where nobody is next.
local now, r, id, next_provider = gcra_now(ARGV[1]), rules(ARGV[2]), ARGV[3], ARGV[6]
local v, n = open(id, ARGV[4], now)
if not v then return n end
local i, ambiguous = tonumber(ARGV[5]), ARGV[7] == '1'
if i < 1 or i > v.q then return reply(v, n, now, 'not_found') end
if arrived(string.match(delivery_of(v, i), '^.-|.-|.-|.-|(.-)|')) then return reply(v, n, now, 'not_due') end
local raised, channel, segments = set_status(v, i, 'failed', now)
local effect = raised and 'report' or ''
if i ~= v.q then return done(v, n, id, now, effect) end
if next_provider == '' or ambiguous and tonumber(v.x) >= v.max_sends then
  follow(v, id, '', 0) -- whoever asked for the send is told
  return done(v, n, id, now, effect, raised and 'undelivered' or nil)
end
if ambiguous then -- the phone may get both
  v.x = v.x + 1
  redis.call('HSET', KEYS[1], 'x', v.x)
  parse_number(n)
  n[HOUR] = gcra_force(n[HOUR], now, r.hour_interval, r.hour_burst)
  n[DAY] = gcra_force(n[DAY], now, r.day_interval, r.day_burst)
  save_number(n, now)
end
add_delivery(v, id, next_provider, channel, segments, ARGV[8], now)
return done(v, n, id, now, 'send')
