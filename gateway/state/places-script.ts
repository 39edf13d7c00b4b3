import type { Answer, Standing } from '../fleet/terms.ts';
import { script } from './script.ts';

/**
 * The places of workers that several gateways hold, each for as long as it is heard of. A gateway says how it stands at each worker, and takes
 * of what nobody holds; what is handed out is never more than the least that any of them says there is. What a gateway held that is not heard
 * of any more nobody gets for a while: it may have lost only this store, and its calls run on.
 *
 * KEYS: a worker each: by gateway its total, first, rest, held, when it was last given some, and until when it is believed.
 * ARGV: the gateway's id; for how many milliseconds that holds; how long nobody gets what it held after that; then, of each worker, its
 * total, first, rest and held, and how many places more it would have. A lease of 0: it leaves and holds nothing any more; nothing follows.
 */
export const PLACES = script<readonly Answer[]>(
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, lease, rest_ms = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local answers = {}
for i, key in ipairs(KEYS) do
  if lease == 0 then
    redis.call('HSET', key, id, string.format('0 0 0 0 0 %.0f', now))
    answers[i] = { 0 }
  else
    local at = 4 + (i - 1) * 5
    local total, first, rest, held, ask = tonumber(ARGV[at]), ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
    local least, taken, served = total, held, '0'
    local answer = { 0 }
    local all = redis.call('HGETALL', key)
    for n = 1, #all, 2 do
      local words = {}
      for word in string.gmatch(all[n + 1], '%S+') do words[#words + 1] = word end
      if all[n] == id then
        served = words[5]
      elseif tonumber(words[6]) + rest_ms <= now then
        redis.call('HDEL', key, all[n])
      else
        local gone = tonumber(words[6]) <= now
        if not gone then least = math.min(least, tonumber(words[1])) end
        taken = taken + tonumber(words[4])
        answer[#answer + 1] = all[n]
        for word = 1, 5 do answer[#answer + 1] = words[word] end
        answer[#answer + 1] = gone and '1' or '0'
      end
    end
    local granted = math.max(0, math.min(ask, least - taken))
    if granted > 0 then served = string.format('%.0f', now) end
    held = string.format('%.0f', held + granted)
    answer[1] = granted
    for _, word in ipairs({ id, ARGV[at], first, rest, held, served, '0' }) do answer[#answer + 1] = word end
    redis.call('HSET', key, id, table.concat({ ARGV[at], first, rest, held, served, string.format('%.0f', now + lease) }, ' '))
    redis.call('PEXPIRE', key, lease + rest_ms)
    answers[i] = answer
  end
end
return answers
`,
  (reply) => {
    if (!Array.isArray(reply)) return undefined;
    const answers = reply.map(answerIn);
    return answers.every((answer) => answer !== undefined) ? answers : undefined;
  },
);

const WORDS = 7;

function answerIn(reply: unknown): Answer | undefined {
  if (!Array.isArray(reply) || reply.length % WORDS !== 1 || typeof reply[0] !== 'number') return undefined;
  const standings: Standing[] = [];
  for (let at = 1; at < reply.length; at += WORDS) {
    const [id, ...words] = reply.slice(at, at + WORDS) as unknown[];
    const [total, first, rest, held, servedAt, gone] = words.map(Number);
    if (typeof id !== 'string' || ![total, first, rest, held, servedAt, gone].every(Number.isFinite)) return undefined;
    standings.push({ id, total: total!, first: first!, rest: rest!, held: held!, servedAt: servedAt!, isGone: gone === 1 });
  }
  return { granted: reply[0], standings };
}
