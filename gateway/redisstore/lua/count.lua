-- count adds counts to the slots of time that it is in, once for each batch.
--
-- KEYS[1] m:<minute>  KEYS[2] t:<n>  KEYS[3] b:<instance>  KEYS[4] i
-- ARGV 1 instance, 2 batch, 3 now, 4 and 5 how long the slots are kept, 6 how
--      long an instance is remembered, all ms, then field and count by turns
-- Returns 1, or 0 if the batch was counted before.
if tonumber(redis.call('GET', KEYS[3]) or 0) >= tonumber(ARGV[2]) then return 0 end
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[6])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', string.format('%.0f', ARGV[3] - ARGV[6]))
redis.call('ZADD', KEYS[4], ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[4], ARGV[6])
for i = 7, #ARGV, 2 do
  redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1])
  redis.call('HINCRBY', KEYS[2], ARGV[i], ARGV[i + 1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
