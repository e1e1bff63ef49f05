-- convert notes that an attempt's code came back. Only the first time counts.
--
-- KEYS[1] tr:<app>, see attempt.lua
-- ARGV 1 now, 2… sids: the first one that is kept is the one
-- Returns 1, or 0 if it was known, or there is no such attempt.
for i = 2, #ARGV do
  local known = redis.call('HGET', KEYS[1], ARGV[i])
  if known then
    if string.sub(known, 1, 1) == 'c' then return 0 end
    redis.call('HSET', KEYS[1], ARGV[i], 'c' .. int(gcra_now(ARGV[1])) .. string.sub(known, 18))
    return 1
  end
end
return 0
