-- Shared by the scripts of sessions; ratelimit's gcra.lua stands before it.
--
-- KEYS[1] is s:<session>, a hash:
--   a app, s status, cr created, x expires, ke kept for how long after that (us),
--   p sealed request, b browser that has it, d sealed draft, n turns,
--   v verification that is current, g what it was sent for,
--   f, e what is being sent instead and its seed, until it is settled,
--   l leased until: by then whoever sends has sent, or is dead
--
-- Times are integers of microseconds, see lib.lua.

local function int(n) return string.format('%.0f', n) end

local function get(field) return redis.call('HGET', KEYS[1], field) or '' end

-- keep has Redis forget the session some time after it expires.
local function keep(expires, now)
  redis.call('PEXPIRE', KEYS[1], int(math.ceil((expires - now + tonumber(get('ke'))) / 1000)))
end

-- refusal is why a browser can't go on, or nil. '' is any browser.
local function refusal(now, browser)
  local v = redis.call('HMGET', KEYS[1], 's', 'x', 'b')
  if not v[1] then return 'unknown' end
  if browser ~= '' and v[3] ~= browser then return 'taken' end
  if v[1] ~= 'pending' or now >= tonumber(v[2]) then return 'over' end
end

-- reply is all that Go reads of a session.
local function reply(now)
  local v = redis.call('HMGET', KEYS[1], 'a', 's', 'cr', 'x', 'n', 'l', 'v', 'b', 'p', 'd')
  for i = 1, #v do v[i] = v[i] or '' end
  v[6] = (v[6] ~= '' and tonumber(v[6]) > now) and '1' or '0'
  v[#v + 1] = int(now)
  return v
end
