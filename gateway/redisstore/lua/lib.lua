-- Shared by every script; ratelimit's gcra.lua stands before it.
--
-- Keys (built in keys.go; all of one script share the hash tag, so one slot):
--   v:<id>      hash, a verification
--   n:<class><number>  hash, what the number's verifications share; class is
--               "c" for parties that have proved before to hold it, else "u"
--   c:<number>  string, the last parties that proved it, 16 characters each
--   due         sorted set, pending ids by when they expire (microseconds)
-- A verification names its number (field k), so an id is enough to find both:
-- n: and c: keys are derived here rather than passed in KEYS. Cluster allows
-- that, because the slot is the same.
--
-- Fields of a verification. Everything is set once but s, c, n, x, q, up, d*:
--   a app, s status, c channel, m what only Go reads, k class and number,
--   y party, n attempts, N max attempts, x sends, X max sends,
--   cr created, ex expires, up updated, q deliveries,
--   d<i> provider|channel|segments|at|status|updated, t sealed number,
--   r sealed reference
-- Fields of a number: s and v (cooldown of sms and voice), h, d, f (hour, day,
-- failed checks): arrival times; n failures in a row; l locked until.
--
-- Times are integers of microseconds. They stay below 2^53, so Lua's numbers
-- hold them; tostring() would not, hence int().

-- What a number's state says is remembered a minute longer than it matters: a
-- server's clock may be set back.
local SLACK = 60 * 1000000
local NUMBER_MEMORY = 30 * 24 * 3600 * 1000000 -- failures in a row are remembered this long
local PARTY_MEMORY = 30 * 24 * 3600 * 1000     -- ms
local PARTIES, PARTY_LENGTH = 4, 16
local DUE_MEMORY = 24 * 3600 * 1000            -- ms; no verification lives longer

local RANK = {accepted = 1, sent = 2, undelivered = 3, failed = 3, expired = 3, delivered = 4}
local COOLDOWN = {sms = 's', voice = 'v'}
local NUMBER_FIELDS = {'s', 'v', 'h', 'd', 'f', 'n', 'l'}

local slot = string.match(KEYS[1], '^.-}:')

local function int(n) return string.format('%.0f', n) end

-- Rules come as "interval burst" for cooldown, hour, day and failed checks, then
-- "after base max" for the lock.
local function rules(text)
  local r = {}
  for n in string.gmatch(text, '%d+') do r[#r + 1] = tonumber(n) end
  return {
    cooldown = {r[1], r[2]}, hour = {r[3], r[4]}, day = {r[5], r[6]}, failed = {r[7], r[8]},
    lock_after = r[9], lock_base = r[10], lock_max = r[11],
  }
end

local function number_key(k) return slot .. 'n:' .. k end

local function load_number(k)
  local values = redis.call('HMGET', number_key(k), unpack(NUMBER_FIELDS))
  local n = {}
  for i, f in ipairs(NUMBER_FIELDS) do n[f] = tonumber(values[i] or nil) end
  return n
end

-- save_number writes n and lets it be forgotten when nothing in it matters any more.
local function save_number(k, n, now)
  local key, args, last = number_key(k), {}, now
  for _, f in ipairs(NUMBER_FIELDS) do
    if n[f] then
      args[#args + 1] = f
      args[#args + 1] = int(n[f])
      if f ~= 'n' and n[f] > last then last = n[f] end
    end
  end
  if n.n and n.n > 0 and now + NUMBER_MEMORY > last then last = now + NUMBER_MEMORY end
  if last == now then
    redis.call('DEL', key)
    return
  end
  redis.call('HSET', key, unpack(args))
  redis.call('PEXPIRE', key, int(math.ceil((last - now + SLACK) / 1000)))
end

-- locked returns which limit forbids n to be checked now, and for how long.
local function locked(n, r, now)
  if n.l and n.l > now then return 'number_failed_checks', n.l - now end
  local wait = gcra_check(n.f, now, r.failed[1], r.failed[2])
  if wait > 0 then return 'number_failed_checks', wait end
end

-- spend takes one send from n's limits: all of them, or none. It returns the
-- limit that refused and for how long, or nothing.
local function spend(n, r, channel, now)
  local limit, wait = locked(n, r, now)
  if limit then return limit, wait end
  local f = COOLDOWN[channel]
  local wait_c, tat_c = gcra_check(n[f], now, r.cooldown[1], r.cooldown[2])
  local wait_h, tat_h = gcra_check(n.h, now, r.hour[1], r.hour[2])
  local wait_d, tat_d = gcra_check(n.d, now, r.day[1], r.day[2])
  if wait_c > 0 then return 'number_cooldown', wait_c end
  if wait_h > 0 then return 'number_hour', wait_h end
  if wait_d > 0 then return 'number_day', wait_d end
  n[f], n.h, n.d = tat_c or n[f], tat_h or n.h, tat_d or n.d
end

local function delivery(provider, channel, segments, now)
  local at = int(now)
  return table.concat({provider, channel, segments, at, 'accepted', at}, '|')
end

-- set_status raises delivery i to status, unless what is known ranks as high.
-- It returns whether it did, and the delivery's channel and segments.
local function set_status(i, status, now)
  local d = redis.call('HGET', KEYS[1], 'd' .. i)
  if not d then return nil end
  local head, channel, segments, at, known = string.match(d, '^(.-)|(.-)|(.-)|(.-)|(.-)|')
  local raised = (RANK[status] or 0) > (RANK[known] or 0)
  if raised then
    redis.call('HSET', KEYS[1], 'd' .. i, table.concat({head, channel, segments, at, status, int(now)}, '|'), 'up', int(now))
  end
  return raised, channel, segments
end

-- finish ends the verification and takes it out of the due set.
local function finish(id, status, now, ...)
  redis.call('HSET', KEYS[1], 's', status, 'up', int(now), ...)
  redis.call('ZREM', slot .. 'due', id)
end

-- wake tells whoever waits for id, on any instance.
local function wake(id) redis.call('PUBLISH', slot .. 'w:' .. id, '') end

-- reply renders everything a caller may want to know as one string, which is
-- far cheaper to read than an array: lines of text, then the sealed bytes.
local function reply(now, refusal, effect, limit, wait)
  local v = redis.call('HMGET', KEYS[1],
    'a', 's', 'c', 'm', 'k', 'n', 'N', 'x', 'X', 'cr', 'ex', 'up', 'q', 't', 'r')
  if not v[1] then return 'not_found\n' end
  local out = {refusal or '', effect or '', limit or '', int(wait or 0), int(now)}
  local number = redis.call('HMGET', number_key(v[5]), unpack(NUMBER_FIELDS))
  for i = 1, #NUMBER_FIELDS do out[#out + 1] = number[i] or '0' end
  for i = 1, 13 do out[#out + 1] = v[i] end
  for i = 1, tonumber(v[13]) do out[#out + 1] = redis.call('HGET', KEYS[1], 'd' .. i) end
  out[#out + 1] = #v[14]
  out[#out + 1] = v[14] .. (v[15] or '')
  return table.concat(out, '\n')
end

-- open returns the named fields of a pending verification of app, or the reply
-- that refuses it. A foreign app sees what it sees for an unknown id. Whatever
-- finds the time over leaves the verification expired.
local function open(id, app, now, ...)
  local v = redis.call('HMGET', KEYS[1], 'a', 's', 'ex', ...)
  if not v[1] or (app ~= '' and v[1] ~= app) then return nil, 'not_found\n' end
  if v[2] ~= 'pending' then return nil, reply(now, 'not_pending') end
  if now >= tonumber(v[3]) then
    finish(id, 'expired', now)
    wake(id)
    return nil, reply(now, 'not_pending', 'expired')
  end
  return v
end
