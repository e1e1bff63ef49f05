-- check counts a code that came back, decides, and consumes.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 rules, 3 id, 4 app, 5 match: '1' or '0', 6 the delivery of the
--      call it was typed on, or 0, 7 the request that it came with, or '',
--      8 that or the call, and the code, or ''
-- Returns reply(): effect 'approved', 'failed', 'wrong', 'repeated' for one that
-- was counted before, or 'expired' with a refusal.
local now, id = gcra_now(ARGV[1]), ARGV[3]
local match, guess = ARGV[5] == '1', ARGV[8]
local function guessed() return guess ~= '' and redis.call('HGET', KEYS[1], 'gs') == guess end

local v, n = open(id, ARGV[4], now)
if not v then
  if match and made_by(ARGV[7]) or not match and guessed() then
    local same = load()
    if same.a == ARGV[4] and same.s == (match and 'approved' or 'failed') then
      return reply(same, load_number(same.k), now, nil, 'repeated')
    end
  end
  return n
end
if not match and guessed() then return reply(v, n, now, nil, 'repeated') end
local r = rules(ARGV[2])
parse_number(n)
local limit, wait, failed_tat = locked(n, r, now)
if limit then return reply(v, n, now, 'limit', nil, limit, wait) end

v.n = v.n + 1
local effect
if match then
  effect = 'approved'
  note_request(ARGV[7])
  set_status(v, tonumber(ARGV[6]), 'confirmed', now)
  approve(v, n, id, r, now)
else
  if guess ~= '' then redis.call('HSET', KEYS[1], 'gs', guess) end
  n[FAILED] = failed_tat
  n[FAILURES] = n[FAILURES] + 1
  if n[FAILURES] >= r.lock_after then
    n[LOCKED] = now + math.min(r.lock_base * 2 ^ (n[FAILURES] - r.lock_after), r.lock_max)
  end
  if v.n >= v.max_attempts then
    effect = 'failed'
    finish(v, id, effect, now)
  else
    effect = 'wrong'
    v.up = int(now)
    redis.call('HSET', KEYS[1], 'n', v.n, 'up', v.up)
  end
end
save_number(n, now)
return done(v, n, id, now, effect)
