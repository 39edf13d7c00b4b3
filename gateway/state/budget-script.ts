import { type Script, script } from './script.ts';

/** What the store says of a budget. */
export interface Share {
  /** What whoever asked may use until he is told otherwise, what he holds included; 0 where he asked for nothing. */
  readonly granted: number;
  /** By all. */
  readonly spent: number;
}

const SERVER_TIME = "redis.call('TIME')";

/**
 * One budget of a day or a month, kept where the gateways of several machines see it: of each database the sum that it says was spent, and of
 * each process what it may use, and until when that counts.
 *
 * Sums only grow, and are the same however often they are told: whoever tells his again mends a loss of data. So does `known`, what all had
 * spent when that was last heard. Budgets are handed out by the rule of store/usage-rules.ts (`shareOf`).
 *
 * KEYS: the budget. ARGV: a database, what it says was spent there, known, for how many milliseconds more the budget is kept, the lease in
 * milliseconds; then, where something is wanted, the process, the number of its question, the whole budget, and what it holds, needs, and
 * would have at hand. A question that comes after a later one changes nothing.
 *
 * Time is the server's, and goes on from where it was when that is put back.
 *
 * @param time Lua for seconds and microseconds: another clock, for tests
 */
export function budgetScript(time = SERVER_TIME): Script<Share> {
  return script(
    `
local budget = KEYS[1]
local database, told, known = 's:' .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local kept, lease = tonumber(ARGV[4]), tonumber(ARGV[5])
local process = ARGV[6] and 'h:' .. ARGV[6]
local time = ${time}
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local head = redis.call('HMGET', budget, 'at', 'ahead', 'known', database)
local ahead = tonumber(head[2]) or 0
local before = tonumber(head[1])
local now = clock + ahead
if before and now < before then
  ahead = ahead + before - now
  now = before
end
known = math.max(known, tonumber(head[3]) or 0)
told = math.max(told, tonumber(head[4]) or 0)

local function text(number)
  return string.format('%.0f', number)
end

local spent, others, own, last = told, 0, 0, 0
local fields = redis.call('HGETALL', budget)
for at = 1, #fields, 2 do
  local name, value = fields[at], fields[at + 1]
  local kind = string.sub(name, 1, 2)
  if kind == 's:' and name ~= database then
    spent = spent + tonumber(value)
  elseif kind == 'h:' then
    local tokens, number, till = string.match(value, '(%S+) (%S+) (%S+)')
    if tonumber(till) <= now then
      redis.call('HDEL', budget, name)
    elseif name == process then
      own, last = tonumber(tokens), tonumber(number)
    else
      others = others + tonumber(tokens)
    end
  end
end
spent = math.max(spent, known)

local granted = 0
if process then
  local number, amount = tonumber(ARGV[7]), tonumber(ARGV[8])
  local held, need, spare = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])
  if number < last then
    granted = own
  else
    local free = math.max(0, amount - spent - others)
    local least = held + need
    if least > free then
      granted = math.max(held, free)
    else
      granted = least + math.min(spare, math.floor(math.max(0, free - least - amount / 10) / 2))
    end
    if granted > 0 then
      redis.call('HSET', budget, process, text(granted) .. ' ' .. text(number) .. ' ' .. text(now + lease))
    else
      redis.call('HDEL', budget, process)
    end
  end
end
redis.call('HSET', budget, 'at', text(now), 'ahead', text(ahead), 'known', text(known), database, text(told))
redis.call('PEXPIRE', budget, text(kept))
return { granted, spent }
`,
    shareIn,
  );
}

export const BUDGET = budgetScript();

function shareIn(reply: unknown): Share | undefined {
  if (!Array.isArray(reply) || reply.length !== 2) return undefined;
  const [granted, spent] = reply as [unknown, unknown];
  return typeof granted === 'number' && typeof spent === 'number' ? { granted, spent } : undefined;
}
