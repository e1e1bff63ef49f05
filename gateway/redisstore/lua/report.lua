-- report applies a carrier's receipt, also after the verification ended. It may
-- come twice and in any order.
--
-- KEYS[1] v:<id>
-- ARGV 1 now, 2 id, 3 the delivery, 4 its status
-- Returns reply(): effect 'report' if it was news.
local now, id = gcra_now(ARGV[1]), ARGV[2]
if redis.call('EXISTS', KEYS[1]) == 0 then return 'not_found\n' end
local raised = set_status(ARGV[3], ARGV[4], now)
if raised == nil then return reply(now, 'not_found') end
if not raised then return reply(now) end
wake(id)
return reply(now, nil, 'report')
