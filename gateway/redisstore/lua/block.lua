-- block blocks a number on an operator's word, or ends a block, and logs that in
-- the same step.
--
-- KEYS[1] b:<number>  KEYS[2] bw:<number>  KEYS[3] audit
-- ARGV 1 now, 2 for how long (us), 0 to end a block, 3 the entry as Go reads
--      it, 4 how long the log keeps an entry (us), 5 how many
-- Returns '<at> <until>', or '' where there was no block to end.
local now, life = gcra_now(ARGV[1]), tonumber(ARGV[2])
local until_ = 0
if life > 0 then
  until_ = now + life
elseif tonumber(redis.call('GET', KEYS[1]) or 0) <= now then
  return ''
end
local entry = int(now) .. ' ' .. int(until_) .. ' ' .. ARGV[3]
if life > 0 then
  local ttl = int(math.ceil((life + SLACK) / 1000))
  redis.call('SET', KEYS[1], int(until_), 'PX', ttl)
  redis.call('SET', KEYS[2], entry, 'PX', ttl)
else
  redis.call('DEL', KEYS[1], KEYS[2])
end
redis.call('ZADD', KEYS[3], int(now), entry)
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', '(' .. int(now - tonumber(ARGV[4])))
redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -1 - tonumber(ARGV[5]))
redis.call('PEXPIRE', KEYS[3], int(math.ceil(tonumber(ARGV[4]) / 1000)))
return int(now) .. ' ' .. int(until_)
