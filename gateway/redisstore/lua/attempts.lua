-- attempts reads an app's attempts, the latest first.
--
-- KEYS[1] ta:<app>  KEYS[2] tr:<app>, see attempt.lua
-- ARGV 1 the sid after which to go on, or '', 2 with '', only those asked for
--      before this time, or '+inf', 3 how many
-- Returns {sid, record, ...}. A sid that isn't kept any more had nothing but
-- older ones after it, which are gone as well: what goes first is the oldest.
local first
if ARGV[1] ~= '' then
  local rank = redis.call('ZREVRANK', KEYS[1], ARGV[1])
  if not rank then return {} end
  first = rank + 1
elseif ARGV[2] == '+inf' then
  first = 0
else
  first = redis.call('ZCOUNT', KEYS[1], ARGV[2], '+inf')
end
local found = redis.call('ZREVRANGE', KEYS[1], first, first + tonumber(ARGV[3]) - 1)
if #found == 0 then return {} end
local records = redis.call('HMGET', KEYS[2], unpack(found))
local out = {}
for i, sid in ipairs(found) do
  if records[i] then
    out[#out + 1] = sid
    out[#out + 1] = records[i]
  end
end
return out
