-- What every script that changes a verification begins and ends with. A
-- fragment: it stands behind lib.lua and emit.lua.

-- What an app is told of, by the effect, and by the status that was reported.
local EVENTS = {
  created = 'created', approved = 'approved', failed = 'failed',
  expired = 'expired', canceled = 'canceled', denied = 'denied',
}
local REPORTED = {
  sent = 'sent', ringing = 'sent', delivered = 'delivered',
  undelivered = 'undelivered', failed = 'undelivered', expired = 'undelivered',
  busy = 'undelivered', no_answer = 'undelivered', declined = 'undelivered',
  unreachable = 'undelivered', machine = 'undelivered',
}

-- done replies that effect came about, having told whoever waits for id, and
-- the app if it wants to hear of it. event is the event where effect isn't one.
local function done(v, n, id, now, effect, event)
  if effect ~= 'created' then wake(id) end
  local text = reply(v, n, now, nil, effect)
  event = event or EVENTS[effect]
  if event then
    local told = text
    if v.z then -- an event is kept for longer than that may be
      local z = v.z
      v.z = nil
      told = reply(v, n, now, nil, effect)
      v.z = z
    end
    emit(v, id, now, event, told)
  end
  return text
end

-- made_by reports whether a request is the one that approved the verification at
-- KEYS[1], or asked for its latest send.
local function made_by(request) return request ~= '' and redis.call('HGET', KEYS[1], 'rq') == request end

-- note_request keeps which one it is, if its caller may make it again.
local function note_request(request)
  if request ~= '' then redis.call('HSET', KEYS[1], 'rq', request) end
end

local NOT_FOUND = 'not_found\n'

-- open returns a pending verification of app and its number's state, or nil and
-- the reply that refuses it. A foreign app sees what it sees for an unknown
-- id. Whatever finds the time over leaves the verification expired.
local function open(id, app, now)
  local v = load()
  if not v or (app ~= '' and v.a ~= app) then return nil, NOT_FOUND end
  local n = load_number(v.k)
  if v.s ~= 'pending' then return nil, reply(v, n, now, 'not_pending') end
  if now >= v.expires then
    finish(v, id, 'expired', now)
    done(v, n, id, now, 'expired')
    return nil, reply(v, n, now, 'not_pending', 'expired')
  end
  return v, n
end
