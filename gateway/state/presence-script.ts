import { script } from './script.ts';

/**
 * Says that a gateway is there, and who else is.
 * KEYS: the gateways. ARGV: its id, and for how many milliseconds that holds; 0: it goes.
 */
export const PRESENCE = script(
  `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local id, lease = ARGV[1], tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
if lease == 0 then
  redis.call('ZREM', KEYS[1], id)
else
  redis.call('ZADD', KEYS[1], string.format('%.0f', now + lease), id)
  redis.call('PEXPIRE', KEYS[1], lease)
end
return redis.call('ZRANGE', KEYS[1], 0, 1023)
`,
  (reply) => (Array.isArray(reply) && reply.every((each) => typeof each === 'string') ? (reply as readonly string[]) : undefined),
);
