-- resend spends the number's limits for another send and records the delivery.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 rules, 3 id, 4 app, 5 channel, 6 provider, 7 segments,
--      8 what follows the delivery, 9 the request that asks, or ''
-- Returns reply(): effect 'send', or none for a request that came before.
local now, id, channel = gcra_now(ARGV[1]), ARGV[3], ARGV[5]
local v, n = open(id, ARGV[4], now)
if not v then return n end
if made_by(ARGV[9]) then return reply(v, n, now) end
if tonumber(v.x) >= v.max_sends then return reply(v, n, now, 'max_sends') end
local busy = channel == 'voice' and calling(v, now)
if busy then return reply(v, n, now, 'calling', nil, nil, busy) end
parse_number(n)
local refusal, limit, wait = spend(n, rules(ARGV[2]), channel, now)
if refusal then return reply(v, n, now, refusal, nil, limit, wait) end

note_request(ARGV[9])
another(v, id, ARGV[6], channel, ARGV[7], ARGV[8], now)
save_number(n, now)
return done(v, n, id, now, 'send')
