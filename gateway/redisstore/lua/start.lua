-- start creates a verification and spends its number's limits for the first
-- send, or does neither. An id that exists is left as it is: the same request
-- came twice.
--
-- KEYS[1] v:<id>  KEYS[2] due
-- ARGV 1 now, 2 rules, 3 id, 4 number, 5 party or '', 6 app, 7 channel,
--      8 provider, 9 segments, 10 max attempts, 11 max sends, 12 life (us),
--      13 retention (us), 14 m, 15 sealed number, 16 sealed reference or '',
--      17 '1' if its app wants to hear of events, else '0', 18 sealed content or '',
--      19 what follows the delivery: see follow_after
-- Returns reply(): effect 'created'; or '<refusal><LF><limit><LF><wait><LF>'.
local now, r = gcra_now(ARGV[1]), rules(ARGV[2])
local id, number, party, app, channel = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local known = load()
if known then
  if known.a ~= app then return NOT_FOUND end
  return reply(known, load_number(known.k), now)
end

local class = 'u'
if party ~= '' then
  local proved = redis.call('GET', slot .. 'c:' .. number)
  if proved and string.find(proved, party, 1, true) then class = 'c' end
end
local n = parse_number(load_number(class .. number))
local refusal, limit, wait = spend(n, r, channel, now)
if refusal then return refusal .. '\n' .. limit .. '\n' .. int(wait) .. '\n' end

local at, expires = int(now), now + tonumber(ARGV[12])
local v = {
  a = app, s = 'pending', c = channel, n = 0, x = 1, up = at, m = ARGV[14], t = ARGV[15], r = ARGV[16], q = 1,
  f = table.concat({n.k, ARGV[10], ARGV[11], int(expires), ARGV[17]}, ' '), cr = at,
  key = KEYS[1], hook = ARGV[17],
  d = {table.concat({ARGV[8], channel, ARGV[9], at, 'accepted', at}, '|')},
}
redis.call('HSET', KEYS[1], 'a', v.a, 's', v.s, 'c', v.c, 'n', v.n, 'x', v.x, 'up', v.up,
  'f', v.f, 'cr', v.cr, 'm', v.m, 't', v.t, 'q', v.q, 'd1', v.d[1])
redis.call('PEXPIRE', KEYS[1], int(math.ceil((expires - now + tonumber(ARGV[13])) / 1000)))
if ARGV[18] ~= '' then
  v.z = ARGV[18]
  redis.call('HSET', KEYS[1], 'z', v.z)
end
if v.r ~= '' then redis.call('HSET', KEYS[1], 'r', v.r) end
if party ~= '' then redis.call('HSET', KEYS[1], 'y', party) end
save_number(n, now)
redis.call('ZADD', KEYS[2], int(expires), id)
redis.call('PEXPIRE', KEYS[2], DUE_MEMORY)
follow_after(v, id, ARGV[19], now)
return done(v, n, id, now, 'created')
