-- Shared by every script; ratelimit's gcra.lua stands before it.
--
-- Keys (built in keys.go; all of one script share the hash tag, so one slot):
--   v:<id>      hash, a verification
--   n:<class><number>  string, what the number's verifications share; class is
--               "c" for parties that have proved before to hold it, else "u"
--   b:<number>  string, until when its holder blocked it
--   c:<number>  string, the last parties that proved it, 16 characters each
--   due         sorted set, pending ids by when they expire (microseconds)
--   next        sorted set, pending ids by when to move on (microseconds)
-- A verification names its number, so an id is enough to find both: n: and c:
-- keys are derived here rather than passed in KEYS. Cluster allows that,
-- because the slot is the same.
--
-- Fields of a verification. None is longer than 64 bytes but r, z and rarely m:
-- with one that is, Redis keeps the hash in twice the memory.
--   a app, s status, c channel, n attempts, x sends, up updated,
--   f "<class and number> <max attempts> <max sends> <expires> <1 if its app wants
--     to hear of events, else 0>", cr created, y party, w events so far,
--   m what only Go reads, t sealed number, r sealed reference,
--   z sealed content (a code or text that the caller chose), while pending,
--   rq the request that approved it or asked for its latest send, if it may come again,
--   gs the wrong code that was counted last, with its request or call, if that may come again,
--   g "<when to move on, or 0> <what then>", none if nothing follows the latest delivery,
--   q deliveries, d<i> provider|channel|segments|at|status|updated
-- A number's value is "<sms> <voice> <hour> <day> <failed> <failures> <locked>":
-- arrival times of the cooldowns and limits, wrong codes in a row, and until
-- when it is locked.
--
-- Another release may have added fields, and words at the end of f, g, n: and d<i>:
-- patterns over what is stored have no $ (see CONTRIBUTING.md, "What the store holds").
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

local CALL_TIME = 180 * 1000000                -- a call is over after this, reported or not

local RANK = {
  accepted = 1, sent = 2, ringing = 2, answered = 3,
  undelivered = 4, failed = 4, expired = 4, no_input = 4, wrong_input = 4,
  hung_up = 4, machine = 4, busy = 4, no_answer = 4, declined = 4, unreachable = 4,
  delivered = 5, confirmed = 5, denied = 5,
}
local FINAL = 4
local LOST = {undelivered = true, failed = true, expired = true, unreachable = true}

-- arrived is whether a status says that the phone got it, or rang.
local function arrived(status) return (RANK[status] or 0) > 1 and status ~= 'sent' and not LOST[status] end

-- Places in a number's state.
local SMS, VOICE, HOUR, DAY, FAILED, FAILURES, LOCKED = 1, 2, 3, 4, 5, 6, 7

local slot = string.match(KEYS[1], '^.-}:')

local function int(n) return string.format('%.0f', n) end

-- Rules come as "interval burst" for cooldown, hour, day and failed checks, then
-- "after base max" for the lock, then how long a denial blocks.
local function rules(text)
  local ci, cb, hi, hb, di, db, fi, fb, la, lb, lm, bl = string.match(text,
    '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  return {
    cooldown_interval = tonumber(ci), cooldown_burst = tonumber(cb),
    hour_interval = tonumber(hi), hour_burst = tonumber(hb),
    day_interval = tonumber(di), day_burst = tonumber(db),
    failed_interval = tonumber(fi), failed_burst = tonumber(fb),
    lock_after = tonumber(la), lock_base = tonumber(lb), lock_max = tonumber(lm),
    block = tonumber(bl),
  }
end

-- A number's state is {k = class and number, text = as stored, blocked = until
-- when, [1..7] = parsed}.
local function load_number(k)
  local values = redis.call('MGET', slot .. 'n:' .. k, slot .. 'b:' .. string.sub(k, 2))
  return {k = k, text = values[1] or '', blocked = tonumber(values[2] or 0)}
end

local function parse_number(n)
  local s, v, h, d, f, failures, l = string.match(n.text, '^(%d+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)')
  n[SMS], n[VOICE], n[HOUR], n[DAY] = tonumber(s or 0), tonumber(v or 0), tonumber(h or 0), tonumber(d or 0)
  n[FAILED], n[FAILURES], n[LOCKED] = tonumber(f or 0), tonumber(failures or 0), tonumber(l or 0)
  return n
end

-- save_number writes n and lets it be forgotten when nothing in it matters any more.
local function save_number(n, now)
  local last = math.max(n[SMS], n[VOICE], n[HOUR], n[DAY], n[FAILED], n[LOCKED])
  if n[FAILURES] > 0 then last = math.max(last, now + NUMBER_MEMORY) end
  if last <= now then
    n.text = ''
    redis.call('DEL', slot .. 'n:' .. n.k)
    return
  end
  n.text = string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f',
    n[SMS], n[VOICE], n[HOUR], n[DAY], n[FAILED], n[FAILURES], n[LOCKED])
  redis.call('SET', slot .. 'n:' .. n.k, n.text, 'PX', int(math.ceil((last - now + SLACK) / 1000)))
end

-- locked returns which limit forbids n to be checked now and for how long, else
-- nil, nil and the arrival time after one more wrong code.
local function locked(n, r, now)
  if n[LOCKED] > now then return 'number_failed_checks', n[LOCKED] - now end
  local wait, tat = gcra_check(n[FAILED], now, r.failed_interval, r.failed_burst)
  if wait > 0 then return 'number_failed_checks', wait end
  return nil, nil, tat or n[FAILED]
end

-- spend takes one send from n's limits: all of them, or none. It returns what
-- refused, which limit, and for how long, or nothing.
local function spend(n, r, channel, now)
  if n.blocked > now then return 'blocked', '', n.blocked - now end
  local limit, wait = locked(n, r, now)
  if limit then return 'limit', limit, wait end
  local cooldown = channel == 'sms' and SMS or VOICE
  local wait_c, tat_c = gcra_check(n[cooldown], now, r.cooldown_interval, r.cooldown_burst)
  local wait_h, tat_h = gcra_check(n[HOUR], now, r.hour_interval, r.hour_burst)
  local wait_d, tat_d = gcra_check(n[DAY], now, r.day_interval, r.day_burst)
  if wait_c > 0 then return 'limit', 'number_cooldown', wait_c end
  if wait_h > 0 then return 'limit', 'number_hour', wait_h end
  if wait_d > 0 then return 'limit', 'number_day', wait_d end
  n[cooldown], n[HOUR], n[DAY] = tat_c or n[cooldown], tat_h or n[HOUR], tat_d or n[DAY]
end

-- load reads the verification at key, mostly KEYS[1], or returns nil.
local function load(key)
  key = key or KEYS[1]
  local r = redis.call('HMGET', key, 'a', 's', 'c', 'n', 'x', 'up', 'f', 'm', 't', 'r', 'q', 'd1', 'd2', 'cr', 'y', 'z', 'g')
  if not r[1] then return nil end
  -- f is what is known of it: reply() puts g behind that.
  local f, k, max_attempts, max_sends, expires, hook = string.match(r[7], '^((%S+) (%d+) (%d+) (%d+) (%d))')
  return {
    key = key, hook = hook,
    a = r[1], s = r[2], c = r[3], n = r[4], x = r[5], up = r[6], f = f, m = r[8], t = r[9], r = r[10],
    q = tonumber(r[11]), d = {r[12] or nil, r[13] or nil}, -- nearly all have one or two
    k = k, max_attempts = tonumber(max_attempts), max_sends = tonumber(max_sends),
    expires = tonumber(expires), cr = r[14], party = r[15] or nil,
    z = r[16] or nil, g = r[17] or nil,
  }
end

-- follow_up returns what follows v's latest delivery, '' for nobody, and when, 0
-- for not before it is reported as lost.
local function follow_up(v)
  if not v.g then return '', 0 end
  local at, by = string.match(v.g, '^(%d+) (%a+)')
  return by, tonumber(at)
end

-- follow sets what follow_up returns.
local function follow(v, id, by, at)
  local _, was = follow_up(v)
  local g = by ~= '' and int(at) .. ' ' .. by or nil
  if g == v.g then return end
  v.g = g
  if g then redis.call('HSET', v.key, 'g', g) else redis.call('HDEL', v.key, 'g') end
  if g and at > 0 then
    redis.call('ZADD', slot .. 'next', int(at), id)
    redis.call('PEXPIRE', slot .. 'next', DUE_MEMORY)
  elseif was > 0 then
    redis.call('ZREM', slot .. 'next', id)
  end
end

-- follow_after sets it for a delivery that begins now. text is '' for nobody, or
-- "<time that a receipt may take, or 0> <what then>".
local function follow_after(v, id, text, now)
  local within, by = string.match(text, '^(%d+) (%a+)$')
  within = tonumber(within or 0)
  follow(v, id, by or '', within > 0 and now + within or 0)
end

local function delivery_of(v, i)
  if not v.d[i] then v.d[i] = redis.call('HGET', v.key, 'd' .. i) or nil end
  return v.d[i]
end

-- calling returns how long a call that isn't over may still last, or nil.
local function calling(v, now)
  for i = 1, v.q do
    local channel, at, status = string.match(delivery_of(v, i), '^[^|]*|([^|]*)|[^|]*|(%d+)|([^|]*)|')
    if channel == 'voice' and (RANK[status] or 0) < FINAL and tonumber(at) + CALL_TIME > now then
      return tonumber(at) + CALL_TIME - now
    end
  end
end

-- add_delivery records that provider is about to be asked, and what follows.
local function add_delivery(v, id, provider, channel, segments, follows, now)
  local at = int(now)
  v.q, v.up = v.q + 1, at
  v.d[v.q] = table.concat({provider, channel, segments, at, 'accepted', at}, '|')
  redis.call('HSET', v.key, 'q', v.q, 'up', at, 'd' .. v.q, v.d[v.q])
  follow_after(v, id, follows, now)
end

-- another records one more send, for which the limits were asked.
local function another(v, id, provider, channel, segments, follows, now)
  v.x, v.c = v.x + 1, channel
  redis.call('HSET', v.key, 'x', v.x, 'c', v.c)
  add_delivery(v, id, provider, channel, segments, follows, now)
end

-- set_status raises delivery i to status, unless what is known ranks as high.
-- It returns whether it did, or nil if there is no such delivery; and the
-- delivery's channel and segments.
local function set_status(v, i, status, now)
  local d = i >= 1 and i <= v.q and delivery_of(v, i)
  if not d then return nil end
  local provider, channel, segments, at, known = string.match(d, '^(.-)|(.-)|(.-)|(.-)|(.-)|')
  local raised = (RANK[status] or 0) > (RANK[known] or 0)
  if raised then
    v.up = int(now)
    v.d[i] = table.concat({provider, channel, segments, at, status, v.up}, '|')
    redis.call('HSET', v.key, 'd' .. i, v.d[i], 'up', v.up)
  end
  return raised, channel, segments
end

-- finish ends the verification and takes it out of the sets. What the caller
-- wanted to be said isn't kept for longer.
local function finish(v, id, status, now)
  v.s, v.up = status, int(now)
  if v.z then
    redis.call('HDEL', v.key, 'z')
    v.z = nil
  end
  redis.call('HSET', v.key, 's', status, 'n', v.n, 'up', v.up)
  redis.call('ZREM', slot .. 'due', id)
  follow(v, id, '', 0)
end

-- approve ends the verification as proved, and remembers by whom.
local function approve(v, n, id, r, now)
  n[FAILURES] = 0
  -- What was sent has been used: it doesn't count against the number.
  n[HOUR] = math.max(n[HOUR] - v.x * r.hour_interval, 0)
  n[DAY] = math.max(n[DAY] - v.x * r.day_interval, 0)
  finish(v, id, 'approved', now)
  if not v.party then return end
  local key = slot .. 'c:' .. string.sub(v.k, 2)
  local kept = {v.party}
  for p in string.gmatch(redis.call('GET', key) or '', string.rep('.', PARTY_LENGTH)) do
    if p ~= v.party and #kept < PARTIES then kept[#kept + 1] = p end
  end
  redis.call('SET', key, table.concat(kept), 'PX', PARTY_MEMORY)
end

-- wake tells whoever waits for id, on any instance.
local function wake(id) redis.call('PUBLISH', slot .. 'w:' .. id, '') end

-- reply renders everything a caller may want to know as one string, which is
-- far cheaper to read than an array: lines of text, then the sealed bytes, whose
-- lengths the last line has: that of t, and where there is z, that of r.
local function reply(v, n, now, refusal, effect, limit, wait)
  local out = {
    refusal or '', effect or '', limit or '', int(wait or 0), int(now), n.text, int(n.blocked),
    v.a, v.s, v.c, v.n, v.x, v.up, v.cr, v.g and v.f .. ' ' .. v.g or v.f, v.m, v.q,
  }
  for i = 1, v.q do out[#out + 1] = delivery_of(v, i) end
  local r = v.r or ''
  out[#out + 1] = v.z and #v.t .. ' ' .. #r or #v.t
  out[#out + 1] = v.t .. r .. (v.z or '')
  return table.concat(out, '\n')
end
