import { type Script, script } from './script.ts';

/** A text; '' for none. */
const text = (reply: unknown): string | undefined => (reply === null ? '' : typeof reply === 'string' ? reply : undefined);
const flag = (reply: unknown): boolean | undefined => (reply === 1 ? true : reply === 0 ? false : undefined);

/** KEYS: an answer. */
export const READ: Script<string> = script("return redis.call('GET', KEYS[1])", text);

/**
 * KEYS: an answer. ARGV: what to keep, for how many milliseconds. A server that has no room for it is no broken one: then it is not kept.
 */
export const KEEP: Script<boolean> = script(
  `
local done = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return done.err and 0 or 1
`,
  flag,
);

/** What CLAIM says where nothing can be written for want of memory: he makes it, and nobody knows. */
export const FULL = 'full';

/** KEYS: an answer to be. ARGV: who makes it, for how many milliseconds that holds. Says what is there already; '': it is his. */
export const CLAIM: Script<string> = script(
  `
local kept = redis.call('GET', KEYS[1])
if kept then return kept end
local done = redis.pcall('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return done.err and '${FULL}' or ''
`,
  text,
);

/** KEYS: an answer to be. ARGV: who makes it, and for how many milliseconds more that holds; 0: he does not. */
export const HOLD: Script<boolean> = script(
  `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then redis.call('DEL', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
`,
  flag,
);

/** KEYS: an answer. */
export const DROP: Script<boolean> = script("return redis.call('DEL', KEYS[1])", flag);

export const ANSWER_SCRIPTS: readonly Script<unknown>[] = [READ, KEEP, CLAIM, HOLD, DROP];
