-- report applies a carrier's receipt, also after the verification ended. It may
-- come twice and in any order.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 id, 3 the delivery, 4 the provider that reports, 5 the status,
--      6 the kind of failure that kept it from the phone, or ''
-- Returns reply(): effect 'report' if it was news.
local now, id = gcra_now(ARGV[1]), ARGV[2]
local v = load()
if not v then return NOT_FOUND end
local n = load_number(v.k)
local i = tonumber(ARGV[3])
if i < 1 or i > v.q or string.match(delivery_of(v, i), '^[^|]*') ~= ARGV[4] then
  return reply(v, n, now, 'not_found') -- of another provider's
end
local raised = set_status(v, i, ARGV[5], now)
if not raised then return reply(v, n, now) end

local status, kind, by = ARGV[5], ARGV[6], follow_up(v)
if status == 'delivered' then
  follow(v, id, '', 0) -- also of an earlier one: it is the same code
elseif i == v.q and by ~= '' and status ~= 'sent' then
  if RANK[status] < FINAL then
    follow(v, id, by, 0)
  elseif not LOST[status] or kind == 'rejected' or kind == 'invalid' and by ~= 'voice' then
    follow(v, id, '', 0)
  else
    follow(v, id, by, now)
  end
end
return done(v, n, id, now, 'report', REPORTED[ARGV[5]])
