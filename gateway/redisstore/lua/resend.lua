-- resend spends the number's limits for another send and records the delivery.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 rules, 3 id, 4 app, 5 channel, 6 provider, 7 segments
-- Returns reply(): effect 'send'.
local now, r, id, channel = gcra_now(ARGV[1]), rules(ARGV[2]), ARGV[3], ARGV[5]
local v, refusal = open(id, ARGV[4], now, 'k', 'x', 'X', 'q')
if not v then return refusal end
if tonumber(v[5]) >= tonumber(v[6]) then return reply(now, 'max_sends') end
local n = load_number(v[4])
local limit, wait = spend(n, r, channel, now)
if limit then return reply(now, 'limit', nil, limit, wait) end

local i = tonumber(v[7]) + 1
redis.call('HSET', KEYS[1], 'x', tonumber(v[5]) + 1, 'c', channel, 'up', int(now), 'q', i,
  'd' .. i, delivery(ARGV[6], channel, ARGV[7], now))
save_number(v[4], n, now)
wake(id)
return reply(now, nil, 'send')
