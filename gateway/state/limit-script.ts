import { type Script, script } from './script.ts';

/** What the store says of a subject when a call has come, in microseconds and amounts. */
export interface Told {
  /** null: there was no call, only word of earlier ones. `refused`: by which limit; `waitUs` null: for good. */
  readonly verdict: 'taken' | { readonly refused: 'requests' | 'tokens' | 'concurrent'; readonly waitUs: number | null } | null;
  readonly requests: Used;
  readonly tokens: Used;
  readonly running: number;
  /** What is to be named when the call has ended. */
  readonly entry: number;
}

/** So much counts, and none of it any more after so many microseconds. */
export interface Used {
  readonly amount: number;
  readonly emptyInUs: number;
}

const SERVER_TIME = "redis.call('TIME')";
const REFUSALS = [null, null, 'requests', 'tokens', 'concurrent'] as const;

/**
 * The limits of one subject, counted where all gateways see them: in one step the calls that have ended give back, those that run keep their
 * places, and each that comes takes from every limit, or from none. The windows follow policies/limits/sliding-window.ts rule by rule.
 *
 * KEYS: what has been used, and the places; both of one hash slot.
 * ARGV: span and lease in microseconds; how many calls have ended, and of each its lease, entry, taken and used tokens; how many run, and
 * their leases; then, of each that comes, its lease, its tokens, and the limits of requests, tokens and places (-1: none).
 *
 * Time is the server's, and goes on from where it was when that is put back. Entries are numbered from the time at which the first was made,
 * so that none is taken for one from before a loss of data.
 *
 * @param time Lua for seconds and microseconds: another clock, for tests
 */
export function limitScript(time = SERVER_TIME): Script<readonly Told[]> {
  return script(
    `
local used, places = KEYS[1], KEYS[2]
local span, lease = tonumber(ARGV[1]), tonumber(ARGV[2])
local at = 3
local time = ${time}
local clock = time[1] * 1000000 + time[2]
local head = redis.call('HMGET', used, 'at', 'ahead', 'r.sum', 'r.first', 'r.next', 't.sum', 't.first', 't.next')
local ahead = tonumber(head[2]) or 0
local before = tonumber(head[1])
local now = clock + ahead
if before and now < before then
  ahead = ahead + before - now
  now = before
end
local changed = false

local function text(number)
  return string.format('%.0f', number)
end

local function nextWord()
  at = at + 1
  return ARGV[at - 1]
end

local written = {}

local function write(field, value)
  written[#written + 1] = field
  written[#written + 1] = value
end

local function entryOf(window, number)
  local entry = window.entries[number]
  if not entry then
    local words = redis.call('HGET', used, window.name .. text(number)) or '0 0 0'
    local began, last, amount = string.match(words, '(%S+) (%S+) (%S+)')
    entry = { began = tonumber(began), last = tonumber(last), amount = tonumber(amount) }
    window.entries[number] = entry
  end
  return entry
end

local function windowOf(name, sum, first, next)
  local window = { name = name, sum = tonumber(sum) or 0, first = tonumber(first) or clock, next = tonumber(next) or clock }
  window.entries, window.touched = {}, {}
  while window.first < window.next do
    local entry = entryOf(window, window.first)
    if entry.last + span > now then break end
    redis.call('HDEL', used, name .. text(window.first))
    window.sum = window.sum - entry.amount
    window.first = window.first + 1
    changed = true
  end
  return window
end

local function keep(window)
  for number in pairs(window.touched) do
    local entry = window.entries[number]
    write(window.name .. text(number), text(entry.began) .. ' ' .. text(entry.last) .. ' ' .. text(entry.amount))
  end
  write(window.name .. '.sum', text(window.sum))
  write(window.name .. '.first', text(window.first))
  write(window.name .. '.next', text(window.next))
end

local requests = windowOf('r', head[3], head[4], head[5])
local tokens = windowOf('t', head[6], head[7], head[8])

local function take(window, amount)
  changed = true
  window.sum = window.sum + amount
  local number = window.next - 1
  local entry = number >= window.first and entryOf(window, number)
  if entry and now - entry.began < span / 60 then
    entry.last = now
    entry.amount = entry.amount + amount
  else
    number = window.next
    window.next = number + 1
    window.entries[number] = { began = now, last = now, amount = amount }
  end
  window.touched[number] = true
  return number
end

local function settle(window, number, taken, spent)
  if spent > taken then
    take(window, spent - taken)
  elseif number >= window.first and number < window.next then
    changed = true
    local entry = entryOf(window, number)
    entry.amount = entry.amount - (taken - spent)
    window.sum = window.sum - (taken - spent)
    window.touched[number] = true
  end
end

local function waitFor(window, amount, limit)
  if limit < 0 then return 0 end
  if amount > limit or limit == 0 then return math.huge end
  local left = window.sum + amount - limit
  if left <= 0 then return 0 end
  for number = window.first, window.next - 1 do
    local entry = entryOf(window, number)
    left = left - entry.amount
    if left <= 0 then return math.max(1000, entry.last + span - now) end
  end
  return span
end

local function emptyIn(window)
  if window.first == window.next then return 0 end
  return math.max(0, entryOf(window, window.next - 1).last + span - now)
end

for _ = 1, tonumber(nextWord()) do
  redis.call('ZREM', places, nextWord())
  settle(tokens, tonumber(nextWord()), tonumber(nextWord()), tonumber(nextWord()))
end
for _ = 1, tonumber(nextWord()) do
  redis.call('ZADD', places, text(now + lease), nextWord())
end
redis.call('ZREMRANGEBYSCORE', places, '-inf', text(now))
local running = redis.call('ZCARD', places)

local told = {}

local function tell(verdict, wait, entry)
  local words = { verdict, wait == math.huge and -1 or wait, requests.sum, emptyIn(requests), tokens.sum, emptyIn(tokens), running, entry }
  for _, word in ipairs(words) do
    told[#told + 1] = word
  end
end

local id = nextWord()
if not id then tell(0, 0, 0) end
while id do
  local verdict, wait, entry = 0, 0, 0
  local amount = tonumber(nextWord())
  local mostRequests, mostTokens, mostRunning = tonumber(nextWord()), tonumber(nextWord()), tonumber(nextWord())
  local requestWait, tokenWait = waitFor(requests, 1, mostRequests), waitFor(tokens, amount, mostTokens)
  if requestWait > 0 and requestWait >= tokenWait then
    verdict, wait = 2, requestWait
  elseif tokenWait > 0 then
    verdict, wait = 3, tokenWait
  elseif mostRunning >= 0 and running >= mostRunning then
    verdict, wait = 4, mostRunning == 0 and math.huge or 0
  else
    verdict = 1
    take(requests, 1)
    entry = take(tokens, amount)
    redis.call('ZADD', places, text(now + lease), id)
    running = running + 1
  end
  tell(verdict, wait, entry)
  id = nextWord()
end

if running > 0 then redis.call('PEXPIRE', places, text(lease / 1000)) end
if changed then
  write('at', text(now))
  write('ahead', text(ahead))
  keep(requests)
  keep(tokens)
  redis.call('HSET', used, unpack(written))
  redis.call('PEXPIRE', used, text((span + lease) / 1000))
end
return told
`,
    toldBy,
  );
}

const WORDS = 8;

function toldBy(reply: unknown): readonly Told[] | undefined {
  if (!isNumbers(reply) || reply.length === 0 || reply.length % WORDS !== 0) return undefined;
  const told: Told[] = [];
  for (let at = 0; at < reply.length; at += WORDS) {
    const refused = REFUSALS[reply[at]!];
    if (refused === undefined) return undefined;
    const waitUs = reply[at + 1]!;
    told.push({
      verdict: refused === null ? (reply[at] === 1 ? 'taken' : null) : { refused, waitUs: waitUs < 0 ? null : waitUs },
      requests: { amount: reply[at + 2]!, emptyInUs: reply[at + 3]! },
      tokens: { amount: reply[at + 4]!, emptyInUs: reply[at + 5]! },
      running: reply[at + 6]!,
      entry: reply[at + 7]!,
    });
  }
  return told;
}

function isNumbers(reply: unknown): reply is number[] {
  return Array.isArray(reply) && reply.every((each) => typeof each === 'number');
}
