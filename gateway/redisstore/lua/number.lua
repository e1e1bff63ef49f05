-- number reads what is known of a number, and changes nothing.
--
-- KEYS[1] b:<number>  KEYS[2] bw:<number>
-- ARGV 1 now, 2 number
-- Returns {now, until when it is blocked, by which entry, n: of those who proved
-- it, n: of all others}.
local values = redis.call('MGET', KEYS[1], KEYS[2], slot .. 'n:c' .. ARGV[2], slot .. 'n:u' .. ARGV[2])
return {int(gcra_now(ARGV[1])), values[1] or '0', values[2] or '', values[3] or '', values[4] or ''}
