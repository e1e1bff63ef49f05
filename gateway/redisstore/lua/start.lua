-- start creates a verification and spends its number's limits for the first
-- send, or does neither. An id that exists is left as it is: the same request
-- came twice.
--
-- KEYS[1] v:<id>  KEYS[2] due
-- ARGV 1 now, 2 rules, 3 id, 4 number, 5 party or '', 6 app, 7 channel,
--      8 provider, 9 segments, 10 max attempts, 11 max sends, 12 life (us),
--      13 retention (us), 14 m, 15 sealed number, 16 sealed reference or ''
-- Returns reply(): effect 'created'; or 'limit<LF><limit><LF><wait><LF>'.
local now, r = gcra_now(ARGV[1]), rules(ARGV[2])
local id, number, party, app, channel = ARGV[3], ARGV[4], ARGV[5], ARGV[6], ARGV[7]

local owner = redis.call('HGET', KEYS[1], 'a')
if owner then
  if owner ~= app then return 'not_found\n' end
  return reply(now)
end

local class = 'u'
if party ~= '' then
  local proved = redis.call('GET', slot .. 'c:' .. number)
  if proved and string.find(proved, party, 1, true) then class = 'c' end
end
local k = class .. number
local n = load_number(k)
local limit, wait = spend(n, r, channel, now)
if limit then return 'limit\n' .. limit .. '\n' .. int(wait) .. '\n' end

local expires = now + tonumber(ARGV[12])
redis.call('HSET', KEYS[1], 'a', app, 's', 'pending', 'c', channel, 'm', ARGV[14], 'k', k,
  'n', 0, 'N', ARGV[10], 'x', 1, 'X', ARGV[11],
  'cr', int(now), 'ex', int(expires), 'up', int(now), 'q', 1,
  'd1', delivery(ARGV[8], channel, ARGV[9], now), 't', ARGV[15])
redis.call('PEXPIRE', KEYS[1], int(math.ceil((expires - now + tonumber(ARGV[13])) / 1000)))
if ARGV[16] ~= '' then redis.call('HSET', KEYS[1], 'r', ARGV[16]) end
if party ~= '' then redis.call('HSET', KEYS[1], 'y', party) end
save_number(k, n, now)
redis.call('ZADD', KEYS[2], int(expires), id)
redis.call('PEXPIRE', KEYS[2], DUE_MEMORY)
return reply(now, nil, 'created')
