-- failover marks a delivery failed and records the one that follows it, before
-- the next provider is asked.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 id, 3 app, 4 the delivery that failed, 5 next provider or ''
-- Returns reply(): effect 'send', or 'report' where nobody is next.
local now, id, next_provider = gcra_now(ARGV[1]), ARGV[2], ARGV[5]
local v, refusal = open(id, ARGV[3], now, 'q')
if not v then return refusal end
local raised, channel, segments = set_status(ARGV[4], 'failed', now)
if raised == nil then return reply(now, 'not_found') end
local effect = raised and 'report' or ''
if next_provider ~= '' then
  local i = tonumber(v[4]) + 1
  redis.call('HSET', KEYS[1], 'q', i, 'd' .. i, delivery(next_provider, channel, segments, now))
  effect = 'send'
end
wake(id)
return reply(now, nil, effect)
