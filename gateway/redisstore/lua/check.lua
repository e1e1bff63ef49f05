-- check counts a code that came back, decides, and consumes.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 rules, 3 id, 4 app, 5 match: '1' or '0'
-- Returns reply(): effect 'approved', 'failed', 'wrong', or 'expired' with a refusal.
local now, r, id = gcra_now(ARGV[1]), rules(ARGV[2]), ARGV[3]
local v, refusal = open(id, ARGV[4], now, 'k', 'n', 'N', 'x', 'y')
if not v then return refusal end
local k = v[4]
local n = load_number(k)

local limit, wait = locked(n, r, now)
if limit then return reply(now, 'limit', nil, limit, wait) end

local attempts = tonumber(v[5]) + 1
local effect
if ARGV[5] == '1' then
  effect = 'approved'
  n.n = 0
  -- What was sent has been used: it doesn't count against the number.
  local sends = tonumber(v[7])
  if n.h then n.h = n.h - sends * r.hour[1] end
  if n.d then n.d = n.d - sends * r.day[1] end
  finish(id, effect, now, 'n', attempts)
  local party = v[8]
  if party then
    local key = slot .. 'c:' .. string.sub(k, 2)
    local kept = {party}
    for p in string.gmatch(redis.call('GET', key) or '', string.rep('.', PARTY_LENGTH)) do
      if p ~= party and #kept < PARTIES then kept[#kept + 1] = p end
    end
    redis.call('SET', key, table.concat(kept), 'PX', PARTY_MEMORY)
  end
else
  local _, tat = gcra_check(n.f, now, r.failed[1], r.failed[2])
  n.f = tat or n.f
  n.n = (n.n or 0) + 1
  if n.n >= r.lock_after then
    n.l = now + math.min(r.lock_base * 2 ^ (n.n - r.lock_after), r.lock_max)
  end
  if attempts >= tonumber(v[6]) then
    effect = 'failed'
    finish(id, effect, now, 'n', attempts)
  else
    effect = 'wrong'
    redis.call('HSET', KEYS[1], 'n', attempts, 'up', int(now))
  end
end
save_number(k, n, now)
wake(id)
return reply(now, nil, effect)
