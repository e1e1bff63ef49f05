-- What apps are still to be told. A fragment: it stands behind lib.lua.
--
-- Keys, beside lib.lua's:
--   o:<app>    sorted set, events that wait, by when to try next. One that is
--              being delivered stands at the end of its lease: if nobody says
--              how it went, it is due again then
--   d:<app>    sorted set, events that were given up, by when
--   e:<event>  hash: t what happened, at when, s the verification then, as
--              reply() renders it, n failed attempts, y why it was given up

local EVENT_MEMORY = 8 * 24 * 3600 * 1000 -- ms, from the last attempt: a day of retries and a week

-- place puts an event into a set of its app, and keeps both.
local function place(set, event, at)
  redis.call('ZADD', set, int(at), event)
  redis.call('PEXPIRE', set, EVENT_MEMORY)
  redis.call('PEXPIRE', slot .. 'e:' .. event, EVENT_MEMORY)
end

-- emit records that something happened to verification id, for an app that
-- wants to know (v.hook). It belongs after the writes that it tells of. text is
-- reply() of what is now.
--
-- The event's id is the verification's and a count, so it is unique. It has no
-- "." because signatures use that to tell id and time apart.
local function emit(v, id, now, what, text)
  if v.hook ~= '1' then return end
  local event = 'msg_' .. id .. '_' .. int(redis.call('HINCRBY', slot .. 'v:' .. id, 'w', 1))
  redis.call('HSET', slot .. 'e:' .. event, 't', what, 'at', int(now), 's', text, 'n', 0)
  place(slot .. 'o:' .. v.a, event, now)
  return event
end
