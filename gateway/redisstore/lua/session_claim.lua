-- session_claim takes the right to send, for one caller at a time.
--
-- ARGV 1 now, 2 browser, 3 what is to be sent, or '' to resend, 4 verification to
--      resend, or the one that is known to be over, or '', 5 turn, 6 seed, 7 lease (us)
-- Returns {'done', seed, lease}, or {refusal}: 'unknown', 'over', 'taken', 'busy',
-- or 'repeat' for what was sent already: what the current verification was sent
-- for, or a resend that was asked for on a page from before the last send.
--
-- A lease that ran out, because its holder died, leaves its seed: whoever asks
-- for the same then makes the same verification, which isn't sent again.
local now, what = gcra_now(ARGV[1]), ARGV[3]
local refused = refusal(now, ARGV[2])
if refused then return {refused} end
local v, leased = get('v'), get('l')
if leased ~= '' and tonumber(leased) > now then return {'busy'} end
local seed = ARGV[6]
if what == '' then
  if v ~= ARGV[4] or get('n') ~= ARGV[5] then return {'repeat'} end
else
  if v ~= '' and v ~= ARGV[4] and get('g') == what then return {'repeat'} end
  if get('f') == what then seed = get('e') end
  redis.call('HSET', KEYS[1], 'f', what, 'e', seed)
end
local lease = int(now + tonumber(ARGV[7]))
redis.call('HSET', KEYS[1], 'l', lease)
redis.call('HINCRBY', KEYS[1], 'n', 1)
return {'done', seed, lease}
