import { z } from 'zod';
import { storeAddressProblem } from './values/store-address.ts';
import { checked, count, ms } from './values/kinds.ts';

// What several gateways share, and where.

/** What is wrong with the URL of a store, or null. The value itself is never repeated: it may hold a password. */
export function storeUrlProblem(text: string): string | null {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:') || url.hostname === '') {
    return 'expected a URL such as redis://10.0.0.7:6379 (redis, or rediss for TLS)';
  }
  const problem = storeAddressProblem(url);
  if (problem !== null) return problem;
  if (/[?#]/.test(text)) return 'a URL here has no query and no fragment: ? and # in a password are written %3F and %23';
  if (!/^(?:\/\d{0,4})?$/.test(url.pathname)) return 'after the host there may be the number of a database, such as /0, and nothing else';
  return null;
}

export const state = z.strictObject({
  url: checked(storeUrlProblem).nullable().default(null).meta({
    description:
      'Valkey or Redis server in which several gateways count together, such as redis://USER:PASSWORD@10.0.0.7:6379 (rediss:// for TLS). null: each gateway counts by itself.',
    writeOnly: true,
  }),
  prefix: z
    .string()
    .regex(/^[\x21-\x7a|~]{0,64}$/, 'expected at most 64 visible ASCII characters, without spaces and braces')
    .default('headgate:')
    .describe('What the names of its keys there begin with. Gateways with the same one count together.'),
  gateways: z
    .union([z.literal('auto'), count(1, 1_000)])
    .default('auto')
    .describe(
      'How many gateways stand in front of the same workers, so that all together send them no more than they have places for. auto: those that url tells of; without url, this one alone. A number is for gateways without url, and holds while it is away. 1: the workers are this one’s alone.',
    ),
  timeout_ms: ms(1, 10_000).default(50).describe('How long a request may wait for the server.'),
  when_unavailable: z
    .enum(['local', 'allow', 'deny'])
    .default('local')
    .describe(
      'While the server does not answer. local: each gateway keeps to its share of limits and budgets. allow: nothing is limited. deny: whoever has limits, or a budget that he needs more of, is refused (503).',
    ),
});

/** Whether the workers that are listed may be those of other gateways, too. */
export function sharesWorkers({ url, gateways }: z.output<typeof state>): boolean {
  return gateways === 'auto' ? url !== null : gateways > 1;
}
