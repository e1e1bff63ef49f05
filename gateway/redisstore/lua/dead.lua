-- dead lists what was given up of one app in one slot, the latest first.
--
-- KEYS[1] d:<app>
-- ARGV 1 most
-- Returns, for each event: id, t, at, n, y, when it was given up.
local out = {}
local events = redis.call('ZREVRANGE', KEYS[1], 0, tonumber(ARGV[1]) - 1, 'WITHSCORES')
for i = 1, #events, 2 do
  local e = redis.call('HMGET', slot .. 'e:' .. events[i], 't', 'at', 'n', 'y')
  if e[1] then
    for _, value in ipairs({events[i], e[1], e[2], e[3], e[4] or '', int(tonumber(events[i + 1]))}) do
      out[#out + 1] = value
    end
  end
end
return out
