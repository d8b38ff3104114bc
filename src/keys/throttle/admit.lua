-- Whether a call of a limited key may go on, for all instances at once.
-- KEYS: its pace, its running calls, the instances that are alive, its month, its day.
-- ARGV: 1 the instance, 2 the number of its message, 3 its running calls with this one,
--       4 the most at the same time,
--       5 microseconds between two calls of the pace, 6 calls at once,
--       7 calls of the month, 8 those that are known to be used, 9 seconds until it is forgotten,
--       10 to 12 the same of the day. 0: no such limit.
-- Answer: what refuses ('' if nothing does), calls left of the pace, microseconds until the
--         next one, calls left of the month and of the day.
local arg = {}
for i = 2, 12 do arg[i] = tonumber(ARGV[i]) end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- GCRA: what is kept is when the last call would have been, at a steady pace.
local interval, burst, left, wait, next_at = arg[5], arg[6], 0, 0, nil
if interval > 0 then
  local at = math.max(tonumber(redis.call('GET', KEYS[1])) or now, now)
  next_at = at + interval
  local room = now + burst * interval - next_at
  left, wait = math.floor(room / interval), interval
  if room < 0 then return { 'pace', 0, -room, 0, 0 } end
end

-- The records of all calls may know of more: those of a time without this Redis.
local month_used, day_used = 0, 0
if arg[7] > 0 then month_used = math.max(tonumber(redis.call('GET', KEYS[4])) or 0, arg[8]) end
if arg[10] > 0 then day_used = math.max(tonumber(redis.call('GET', KEYS[5])) or 0, arg[11]) end
local month_left, day_left = arg[7] - month_used, arg[10] - day_used
local refused = ''
if arg[7] > 0 and month_left <= 0 then refused = 'month'
elseif arg[10] > 0 and day_left <= 0 then refused = 'day' end

if refused == '' and arg[4] > 0 then
  local running = arg[3]
  local said = redis.call('HGETALL', KEYS[2])
  local own = -1
  for i = 1, #said, 2 do
    local message, calls = string.match(said[i + 1], '^(%d+):(%d+)$')
    if said[i] == ARGV[1] then
      own = tonumber(message)
    else
      local until_ms = redis.call('ZSCORE', KEYS[3], said[i])
      if until_ms and tonumber(until_ms) > now / 1000 then
        running = running + tonumber(calls)
      else
        redis.call('HDEL', KEYS[2], said[i])
      end
    end
  end
  if running > arg[4] then
    refused = 'concurrent'
  elseif own < arg[2] then
    redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. ':' .. ARGV[3])
    redis.call('EXPIRE', KEYS[2], 86400)
  end
end
if refused ~= '' then
  return { refused, left + 1, wait, math.max(month_left, 0), math.max(day_left, 0) }
end

if interval > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f', next_at), 'PX', math.ceil((next_at - now) / 1000) + 1)
end
if arg[7] > 0 then redis.call('SET', KEYS[4], month_used + 1, 'EX', ARGV[9]) end
if arg[10] > 0 then redis.call('SET', KEYS[5], day_used + 1, 'EX', ARGV[12]) end
return { '', left, wait, month_left - 1, day_left - 1 }
