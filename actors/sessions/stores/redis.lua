-- Sessions in Redis, each a hash: one field for each key of each map, so servers merge key by key and need no locks.
-- `actors/sessions/stores/redis.py` reads this file by name: a script begins with a line `-- name: description`.
-- A field is the name of its map after the length of that name, then the key; the value is JSON text. The field `-`
-- keeps a session without keys in being.

-- load: KEYS session; ARGV lifetime in ms. Gives fields and values, nothing when there is none. Counts as use.
local state = redis.call('HGETALL', KEYS[1])
if #state > 0 then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return state

-- save: KEYS session, new id (or the same); ARGV begin, lifetime in ms, most bytes, then three lists after their counts
-- The lists: beginnings of fields that go, fields that go, fields and values that come. Looks before it writes.
local begin, lifetime, most = ARGV[1] == '1', ARGV[2], tonumber(ARGV[3])
local exists = redis.call('EXISTS', KEYS[1]) == 1
-- Ids are never used twice, so where the result is there already this is a second try whose first one's answer was lost.
if (begin and exists) or (not exists and KEYS[2] ~= KEYS[1] and redis.call('EXISTS', KEYS[2]) == 1) then
  return 'saved'
elseif not begin and not exists then
  return 'ended'
end
local at = 4
local function list()
  local count = tonumber(ARGV[at])
  local items = {}
  for i = 1, count do items[i] = ARGV[at + i] end
  at = at + count + 1
  return items
end
local beginnings, removed, pairs_ = list(), list(), list()

-- Sizes as they would be in one JSON text, where the name of a map stands once.
local function measure(field, value)
  local name = string.match(field, '^%d+') or '0'
  local sealed = string.match(value, '^nf1:[^:]*:')
  local size = sealed and #value - #sealed - 28 or #value -- an encrypted value: without head, nonce and tag
  return #field - #name - tonumber(name) + size + 4
end
local sizes, size, gone = {}, 0, {}
local state = redis.call('HGETALL', KEYS[1])
for i = 1, #state, 2 do
  sizes[state[i]] = measure(state[i], state[i + 1])
  size = size + sizes[state[i]]
end
local function remove(field)
  if sizes[field] and field ~= '-' then
    size = size - sizes[field]
    sizes[field] = nil
    gone[#gone + 1] = field
  end
end
for _, beginning in ipairs(beginnings) do
  for i = 1, #state, 2 do
    if string.sub(state[i], 1, #beginning) == beginning then remove(state[i]) end
  end
end
for _, field in ipairs(removed) do remove(field) end
for i = 1, #pairs_, 2 do
  local added = measure(pairs_[i], pairs_[i + 1])
  size = size - (sizes[pairs_[i]] or 0) + added
  sizes[pairs_[i]] = added
end
if size > most then
  return 'large'
end

for _, field in ipairs(gone) do redis.call('HDEL', KEYS[1], field) end
redis.call('HSET', KEYS[1], '-', '')
for i = 1, #pairs_, 2 do redis.call('HSET', KEYS[1], pairs_[i], pairs_[i + 1]) end
if KEYS[2] ~= KEYS[1] then
  redis.call('RENAME', KEYS[1], KEYS[2])
end
redis.call('PEXPIRE', KEYS[2], lifetime)
return 'saved'
