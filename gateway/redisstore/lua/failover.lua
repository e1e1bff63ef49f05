-- failover marks a delivery failed and records the one that follows it, before
-- the next provider is asked.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 id, 3 app, 4 the delivery that failed, 5 next provider or ''
-- Returns reply(): effect 'send', or 'report' where nobody is next.
local now, id, next_provider = gcra_now(ARGV[1]), ARGV[2], ARGV[5]
local v, n = open(id, ARGV[3], now)
if not v then return n end
local raised, channel, segments = set_status(v, tonumber(ARGV[4]), 'failed', now)
if raised == nil then return reply(v, n, now, 'not_found') end
local effect = raised and 'report' or ''
if next_provider ~= '' then
  add_delivery(v, next_provider, channel, segments, now)
  effect = 'send'
end
return done(v, n, id, now, effect, next_provider == '' and raised and 'undelivered' or nil)
