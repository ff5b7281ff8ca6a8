-- Counts of one key, changed in one step. Times are Redis' own, so no gateway's clock matters.
-- KEYS[1]: the beginning of the names of all that is kept of the key.
-- ARGV: what is done, who asks (a thread of a gateway), the number of the request of this thread, and then what it needs.
-- The windows are lists of "BUCKET AMOUNT", a bucket being 250 ms, and the sum of each; an entry leaves when all of its bucket is 60 s ago.
local base, what, who, number = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local GRAIN, SPAN, KEPT = 250, 60000, 61000
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local bucket = math.floor(now / GRAIN)
local day = math.floor(time[1] / 86400)
local day_key = base .. ':d:' .. day

local function text(amount) return string.format('%.0f', amount) end

local function parts(entry)
  local at, amount = string.match(entry, '^(%d+) (%d+)$')
  return tonumber(at), tonumber(amount)
end

-- The sum of a window, without what has left it; and its latest bucket.
local function sum_of(window)
  local list = base .. ':' .. window
  local tail = redis.call('LINDEX', list, -1)
  if not tail then return 0, bucket end
  local last = parts(tail)
  if last > bucket + SPAN / GRAIN then
    -- The clock of Redis went back by more than a window.
    redis.call('DEL', list)
    return 0, bucket
  end
  local sum = tonumber(redis.call('HGET', base .. ':s', window) or '0')
  local latest = math.max(last, bucket)
  while true do
    local head = redis.call('LINDEX', list, 0)
    if not head then sum = 0 break end
    local at, amount = parts(head)
    if (at + 1) * GRAIN + SPAN > latest * GRAIN then break end
    redis.call('LPOP', list)
    sum = sum - amount
  end
  sum = math.max(sum, 0)
  redis.call('HSET', base .. ':s', window, text(sum))
  return sum, latest
end

local function add(window, amount)
  if amount <= 0 then return bucket end
  local list = base .. ':' .. window
  local sum, at = sum_of(window)
  local tail = redis.call('LINDEX', list, -1)
  local last, had = 0, 0
  if tail then last, had = parts(tail) end
  if last == at then
    redis.call('LSET', list, -1, text(at) .. ' ' .. text(had + amount))
  else
    redis.call('RPUSH', list, text(at) .. ' ' .. text(amount))
  end
  redis.call('HSET', base .. ':s', window, text(sum + amount))
  redis.call('PEXPIRE', list, KEPT)
  redis.call('PEXPIRE', base .. ':s', KEPT + SPAN)
  return at
end

-- How long until a window's sum is below a limit.
local function until_below(window, sum, limit)
  local wait = 0
  for _, entry in ipairs(redis.call('LRANGE', base .. ':' .. window, 0, -1)) do
    if sum < limit then break end
    local at, amount = parts(entry)
    sum = sum - amount
    wait = (at + 1) * GRAIN + SPAN - now
  end
  return math.max(wait, 0)
end

local function until_empty(window)
  local tail = redis.call('LINDEX', base .. ':' .. window, -1)
  if not tail then return 0 end
  return math.max((parts(tail) + 1) * GRAIN + SPAN - now, 0)
end

-- Requests under way, of gateways that live. A gateway that died gives its places back when its sign of life ends.
local function under_way()
  local all, count = redis.call('HGETALL', base .. ':c'), 0
  for i = 1, #all, 2 do
    if all[i] == who or redis.call('EXISTS', 'vigie:alive:' .. all[i]) == 1 then
      count = count + tonumber(all[i + 1])
    else
      redis.call('HDEL', base .. ':c', all[i])
    end
  end
  return count
end

local function give_back()
  local own = tonumber(redis.call('HGET', base .. ':c', who) or '0')
  if own > 1 then
    redis.call('HINCRBY', base .. ':c', who, -1)
  elseif own == 1 then
    redis.call('HDEL', base .. ':c', who)
  end
end

local function count_tokens(amount)
  add('t', amount)
  if amount > 0 then
    redis.call('INCRBY', day_key, text(amount))
    redis.call('EXPIRE', day_key, 172800)
  end
end

-- A sign of life. Returns how many gateways live.
if what == 'beat' then
  redis.call('SET', 'vigie:alive:' .. who, '1', 'PX', 30000)
  redis.call('ZADD', 'vigie:gateways', text(now), ARGV[4])
  redis.call('ZREMRANGEBYSCORE', 'vigie:gateways', '-inf', text(now - 30000))
  return {redis.call('ZCARD', 'vigie:gateways')}
end

-- What was done already is not done again: its answer was lost, and the thread sends it once more.
if what ~= 'restore' then
  local seen = tonumber(redis.call('GET', 'vigie:seen:' .. who) or '0')
  if number <= seen then return {-1} end
  redis.call('SET', 'vigie:seen:' .. who, text(number), 'EX', 172800)
end

if what == 'admit' then
  local rpm, tpm, tpd, most, infers = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'
  local requests, tokens = sum_of('r'), sum_of('t')
  local today = tonumber(redis.call('GET', day_key) or '0')
  local midnight = (day + 1) * 86400000 - now
  -- The limit that is reached, by its number, and how long until it is not; of several the one that lasts longest.
  local over, wait = 0, -1
  local function reached(limit, time) if time > wait then over, wait = limit, time end end
  if rpm >= 0 and requests >= rpm then reached(1, until_below('r', requests, rpm)) end
  if tpm >= 0 and infers and tokens >= tpm then reached(2, until_below('t', tokens, tpm)) end
  if tpd >= 0 and infers and today >= tpd then reached(3, midnight) end
  if most >= 0 and under_way() >= most then reached(4, 1000) end
  local at = bucket
  if over == 0 then
    at = add('r', 1)
    requests = requests + 1
    -- For a thread that does not see the reply: that of a refusal takes nothing back.
    local counted = 'vigie:counted:' .. who
    redis.call('RPUSH', counted, text(number) .. ' ' .. text(at))
    redis.call('LTRIM', counted, -1000, -1)
    redis.call('EXPIRE', counted, 3600)
    if most >= 0 then redis.call('HINCRBY', base .. ':c', who, 1) end
  end
  return {over, math.max(wait, 0), requests, until_empty('r'), tokens, until_empty('t'), today, midnight, at}
elseif what == 'settle' then
  give_back()
  count_tokens(tonumber(ARGV[4]))
elseif what == 'cancel' then
  give_back()
  -- The entry of its bucket, if it is still there.
  local list = base .. ':r'
  local wanted = tonumber(ARGV[4])
  local sum = sum_of('r')
  for i, entry in ipairs(redis.call('LRANGE', list, 0, -1)) do
    local at, amount = parts(entry)
    if amount > 0 and at == wanted then
      redis.call('LSET', list, i - 1, text(at) .. ' ' .. text(amount - 1))
      redis.call('HSET', base .. ':s', 'r', text(math.max(sum - 1, 0)))
      break
    end
  end
elseif what == 'restore' then
  add('r', tonumber(ARGV[4]))
  add('t', tonumber(ARGV[5]))
  local amount = tonumber(ARGV[6])
  if amount > 0 then
    redis.call('INCRBY', day_key, text(amount))
    redis.call('EXPIRE', day_key, 172800)
  end
end
return {0}
