-- point names the verification that an app has for a number, or reads which one
-- it is.
--
-- KEYS[1] tv:<app>:<number>
-- ARGV 1 what to remember, or '' to read, 2 for how long (ms)
-- Returns what is remembered then, or ''.
if ARGV[1] ~= '' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return ARGV[1]
end
return redis.call('GET', KEYS[1]) or ''
