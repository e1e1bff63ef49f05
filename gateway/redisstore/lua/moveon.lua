-- moveon sends again in place of the latest delivery, whose follow-up is due. What a
-- limit refuses is put off until it may be, if that is still of use.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 rules, 3 id, 4 app, 5 the delivery, 6 channel, 7 provider or '' for
--      nobody, 8 segments, 9 what follows the new delivery
-- Returns reply(): effect 'send'.
local now, r, id, channel = gcra_now(ARGV[1]), rules(ARGV[2]), ARGV[3], ARGV[6]
local v, n = open(id, ARGV[4], now)
if not v then return n end
local by, at = follow_up(v)
if tonumber(ARGV[5]) ~= v.q or at == 0 or now < at then return reply(v, n, now, 'not_due') end
if ARGV[7] == '' then
  follow(v, id, '', 0)
  return reply(v, n, now)
end
if tonumber(v.x) >= v.max_sends then
  follow(v, id, '', 0)
  return reply(v, n, now, 'max_sends')
end
local refusal, limit, wait
local busy = channel == 'voice' and calling(v, now)
if busy then
  refusal, wait = 'calling', busy
else
  parse_number(n)
  refusal, limit, wait = spend(n, r, channel, now)
end
if refusal then
  local put_off = now + wait < v.expires
  follow(v, id, put_off and by or '', put_off and now + wait or 0)
  return reply(v, n, now, refusal, nil, limit, wait)
end
another(v, id, ARGV[7], channel, ARGV[8], ARGV[9], now)
save_number(n, now)
return done(v, n, id, now, 'send')
