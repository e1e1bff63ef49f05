-- resend spends the number's limits for another send and records the delivery.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 rules, 3 id, 4 app, 5 channel, 6 provider, 7 segments
-- Returns reply(): effect 'send'.
local now, id, channel = gcra_now(ARGV[1]), ARGV[3], ARGV[5]
local v, n = open(id, ARGV[4], now)
if not v then return n end
if tonumber(v.x) >= v.max_sends then return reply(v, n, now, 'max_sends') end
local busy = channel == 'voice' and calling(v, now)
if busy then return reply(v, n, now, 'calling', nil, nil, busy) end
parse_number(n)
local refusal, limit, wait = spend(n, rules(ARGV[2]), channel, now)
if refusal then return reply(v, n, now, refusal, nil, limit, wait) end

v.x, v.c = v.x + 1, channel
redis.call('HSET', KEYS[1], 'x', v.x, 'c', v.c)
add_delivery(v, ARGV[6], channel, ARGV[7], now)
save_number(n, now)
return done(v, n, id, now, 'send')
