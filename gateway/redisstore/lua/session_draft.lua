-- session_draft keeps what the person typed.
--
-- ARGV 1 now, 2 browser, 3 sealed draft
-- Returns 'done', 'unknown', 'over' or 'taken'.
local refused = refusal(gcra_now(ARGV[1]), ARGV[2])
if refused then return refused end
redis.call('HSET', KEYS[1], 'd', ARGV[3])
return 'done'
