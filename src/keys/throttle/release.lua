-- A call is over, or never went to Odoo.
-- KEYS: the running calls of its key, its month, its day.
-- ARGV: the instance, the number of its message, its running calls now,
--       1 if the month and the day get their call back.
local said = redis.call('HGET', KEYS[1], ARGV[1])
if said and tonumber(string.match(said, '^%d+')) < tonumber(ARGV[2]) then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
end
if ARGV[4] == '1' then
  for i = 2, 3 do
    if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('DECR', KEYS[i]) end
  end
end
return 0
