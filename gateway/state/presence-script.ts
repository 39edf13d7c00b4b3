import { script } from './script.ts';

/** `isNew`: it was not known, or not any more, that this one is there. */
interface Present {
  readonly isNew: boolean;
  readonly present: readonly string[];
}

/**
 * Says that a gateway is there, and who else is.
 * KEYS: the gateways. ARGV: its id, and for how many milliseconds that holds; 0: it goes.
 */
export const PRESENCE = script<Present>(
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, lease = ARGV[1], tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local added = 0
if lease == 0 then
  redis.call('ZREM', KEYS[1], id)
else
  added = redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease), id)
  redis.call('PEXPIRE', KEYS[1], lease)
end
return { added, redis.call('ZRANGE', KEYS[1], 0, 1023) }
`,
  (reply) => {
    if (!Array.isArray(reply) || reply.length !== 2) return undefined;
    const [added, present] = reply as [unknown, unknown];
    if (typeof added !== 'number' || !Array.isArray(present) || !present.every((each) => typeof each === 'string')) return undefined;
    return { isNew: added > 0, present: present as readonly string[] };
  },
);
