-- Buckets in Redis, each one number under a key that expires by itself: the arithmetic is that of `gcra.py`.
-- `actors/limits/shared.py` reads this file by name: a script begins with a line `-- name: description`.

-- take: KEYS buckets; ARGV rate (requests a second), limit, burst, then for each bucket how many requests it is asked for
-- Gives the time on this server (in requests), then for each bucket how many are allowed and what it owes after them.
local rate, limit, burst = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local capacity = limit + burst
local time = redis.call('TIME')
local now = (tonumber(time[1]) + tonumber(time[2]) / 1000000) * rate
local told = {string.format('%.17g', now)}
for i, key in ipairs(KEYS) do
  local full = redis.pcall('GET', key) -- of another type: nobody but us writes here, so it is written anew
  full = type(full) == 'string' and tonumber(full) or now + burst
  local owed = math.min(math.max(full - now, 0), capacity)
  local granted = math.min(tonumber(ARGV[3 + i]), math.floor(capacity - owed + 0.000001))
  full = now + owed + granted
  owed = full - now
  -- Full for a whole window, it says nothing any more.
  local life = math.min(math.ceil((owed + limit) / rate * 1000), 1e14)
  redis.call('SET', key, string.format('%.17g', full), 'PX', string.format('%.0f', life))
  told[#told + 1] = granted
  told[#told + 1] = string.format('%.17g', owed)
end
return told
