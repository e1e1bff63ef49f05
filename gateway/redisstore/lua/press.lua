-- press is a key on a call: it approves, or it denies and blocks the number.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 rules, 3 id, 4 app, 5 'confirm' or 'deny', 6 the
--      delivery of the call
-- Returns reply(): effect 'approved' or 'denied'.
local now, r, id = gcra_now(ARGV[1]), rules(ARGV[2]), ARGV[3]
local v, n = open(id, ARGV[4], now)
if not v then return n end
if ARGV[5] == 'deny' then
  if r.block > 0 and now + r.block > n.blocked then -- else an operator's block is longer
    n.blocked = now + r.block
    redis.call('SET', slot .. 'b:' .. string.sub(v.k, 2), int(n.blocked), 'PX', int(math.ceil((r.block + SLACK) / 1000)))
  end
  set_status(v, tonumber(ARGV[6]), 'denied', now)
  finish(v, id, 'denied', now)
  return done(v, n, id, now, 'denied')
end
parse_number(n)
if n[LOCKED] > now then return reply(v, n, now, 'limit', nil, 'number_failed_checks', n[LOCKED] - now) end
set_status(v, tonumber(ARGV[6]), 'confirmed', now)
approve(v, n, id, r, now)
save_number(n, now)
return done(v, n, id, now, 'approved')
