-- session_finish ends a pending session.
--
-- ARGV 1 status
if get('s') == 'pending' then redis.call('HSET', KEYS[1], 's', ARGV[1]) end
return 1
