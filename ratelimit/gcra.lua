-- The generic cell rate algorithm in whole microseconds, as in gcra.go. This is
-- not a script but a fragment: a script that spends buckets starts with it.
--
-- To check and to store are apart, so that a script can ask all its limits
-- before its first write:
--
--   local now = gcra_now(ARGV[1])
--   local wait, tat = gcra_check(redis.call('GET', KEYS[1]), now, interval, burst)
--   if wait > 0 then return wait end
--   gcra_store(KEYS[1], tat, now)
--
-- Lua's numbers are doubles, exact up to 2^53. Today's time in microseconds has
-- 16 digits, which leaves two traps:
--   * tostring(n) and s .. n print 14 digits: the time comes back wrong by up to
--     50 s. Print with string.format('%.0f', n), never otherwise.
--   * a fraction survives the arithmetic and is cut off in a reply. Everything
--     given to these functions must be whole; Limit.Validate sees to that.

-- gcra_now returns the time: given, or the server's own when that is 0.
local function gcra_now(given)
  given = tonumber(given)
  if given ~= 0 then return given end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- gcra_check says what spending one request would do. It writes nothing.
--   tat       the bucket as GET returns it: a string, or false (or nil) for a full one
--   interval  the time to regain one request
--   burst     the requests in a full bucket; 0 turns the limit off
-- Returns
--   wait      0 when allowed, else how long until it would be
--   new_tat   what to store; nil when refused or off: nothing is to be stored
--   remaining how many more would be allowed now; 0 when off
local function gcra_check(tat, now, interval, burst)
  if burst == 0 then return 0, nil, 0 end
  local next_tat = math.max(tonumber(tat or now), now) + interval
  local wait = next_tat - now - interval * burst
  if wait > 0 then return wait, nil, 0 end
  return 0, next_tat, math.floor(-wait / interval)
end

-- gcra_force returns what to store for one request that isn't asked about.
local function gcra_force(tat, now, interval, burst)
  if burst == 0 then return tat end
  return math.max(tat, now) + interval
end

-- gcra_store writes a bucket until it is full again, which is when it needs no
-- key any more. It does nothing when new_tat is nil, and forgets a full bucket.
local function gcra_store(key, new_tat, now)
  if not new_tat then return end
  if new_tat <= now then
    redis.call('DEL', key)
    return
  end
  redis.call('SET', key, string.format('%.0f', new_tat),
    'PX', string.format('%.0f', math.ceil((new_tat - now) / 1000)))
end
