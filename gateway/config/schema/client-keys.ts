import { z } from 'zod';
import { networkProblem } from './values/addresses.ts';
import { checked, count, HOUR_MS, ms, path } from './values/kinds.ts';

// Keys of clients, in the settings or in a keys file, and what is open without.

/** A shorter one may be guessed. */
export const GOOD_KEY_LENGTH = 16;

const TIME = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/;

/** 2027-02-30 would be taken for the second of March. */
function isDay(text: string): boolean {
  const at = Date.parse(text);
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text);
}

const time = () =>
  checked((text) =>
    TIME.test(text) && isDay(text.slice(0, 10)) && !Number.isNaN(Date.parse(text))
      ? null
      : 'expected a day or a time with its zone, such as 2027-01-31 or 2027-01-31T18:00:00Z',
  );

const pattern = () =>
  z
    .string()
    .regex(/^[\x21-\x7e]{1,256}$/, 'expected the id or an alias of a model, or a pattern with * in it: visible ASCII, without spaces');

const MOST = 1_000_000_000;
const MOST_TOKENS = 1_000_000_000_000;

const limit = () =>
  z.strictObject({
    requests_per_minute: count(0, MOST).nullable().default(null).describe('Requests within any minute; null: as many as come.'),
    tokens_per_minute: count(0, MOST)
      .nullable()
      .default(null)
      .describe('Tokens of prompts and answers within any minute. What a call may need is taken before it, and corrected at its end.'),
    concurrent_requests: count(0, 1_000_000).nullable().default(null).describe('Requests at the same time.'),
    tokens_per_day: count(0, MOST_TOKENS)
      .nullable()
      .default(null)
      .describe('Tokens of prompts and answers in a calendar day of UTC. Kept in the database, over restarts.'),
    tokens_per_month: count(0, MOST_TOKENS).nullable().default(null).describe('The same in a calendar month of UTC.'),
  });

export const limits = z.strictObject({
  default: limit().prefault({}).describe('For each key that says nothing else.'),
  anonymous: limit().prefault({}).describe('For each address from which calls without a key come; a network of IPv6 (/64) counts as one.'),
  trusted_proxies: z
    .array(checked(networkProblem))
    .max(256)
    .default([])
    .describe('Proxies, as addresses or networks such as 10.0.0.0/8, whose X-Forwarded-For says where a call comes from.'),
});

export const clientKey = () =>
  z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'expected a name of 1 to 64 letters, digits, dots, dashes and underscores')
        .describe('What stands for the key in metrics, logs and errors; each name once.'),
      key: z
        .string()
        .regex(/^[\x21-\x7e]{1,512}$/, 'expected 1 to 512 visible ASCII characters, without spaces; "headgate key new" makes a good one')
        .nullable()
        .default(null)
        .meta({ description: 'The key itself, such as ${APP_A_KEY}; or key_sha256 in its place.', writeOnly: true }),
      key_sha256: z
        .string()
        .regex(/^[0-9a-fA-F]{64}$/, 'expected 64 hexadecimal digits, in quotes: "headgate key new" prints them with the key')
        .nullable()
        .default(null)
        .meta({ description: 'SHA-256 of the key, so that it stands nowhere itself.', writeOnly: true }),
      models: z
        .array(pattern())
        .min(1)
        .max(256)
        .default(['*'])
        .describe('Models it may use, by id or alias; * in a name stands for any characters. Others do not exist for it.'),
      priority: z
        .enum(['interactive', 'batch'])
        .default('interactive')
        .describe('Class of its calls. A call may ask for a lower one (x-headgate-priority: batch), never for a higher.'),
      expires_at: time().nullable().default(null).describe('Day or time from which it is not taken any more; null: never.'),
      on_limit: z
        .enum(['refuse', 'wait'])
        .default('refuse')
        .describe('What becomes of a call that is over a limit: refused at once, or held until it is let in.'),
      max_wait_ms: ms(0, HOUR_MS).default(10_000).describe('How long it is held, where on_limit is wait.'),
      limits: limit().nullable().default(null).describe('Limits of its own in place of limits.default.'),
      admin: z.boolean().default(false).describe('Whether it opens /admin, /debug and /metrics too.'),
      // Somebody may write the secret itself in place of all this.
    })
    .meta({ writeOnly: true });

/** As written; the secret in it is not to be shown. */
export type ClientKeySettings = Readonly<Omit<z.output<ReturnType<typeof clientKey>>, 'models'>> & { readonly models: readonly string[] };

/** Whether a key is not taken any more. @param now milliseconds since the epoch */
export function isOver({ expires_at: at }: ClientKeySettings, now: number): boolean {
  return at !== null && Date.parse(at) <= now;
}

export const auth = z.strictObject({
  allow_anonymous: z
    .boolean()
    .nullable()
    .default(null)
    .describe(
      'true lets anyone who can reach server.host use the API, by whatever name. null: where keys are set, nobody without one; where none are, anyone, but on loopback only and by names of this machine.',
    ),
  keys: z.array(clientKey()).max(10_000).default([]).describe('Keys of clients. With one, the API is for those who have one.'),
  keys_file: path()
    .nullable()
    .default(null)
    .describe('File with more keys, as the list keys: in it. It is looked at every second: what changes there counts at once.'),
});

export const metrics = z.strictObject({
  public: z
    .boolean()
    .nullable()
    .default(null)
    .describe(
      'Whether /metrics is for anyone who can reach it. false: the key of /admin, or a key with admin: true, is asked for. null: true on loopback, false elsewhere.',
    ),
});

/** What a keys file holds. */
export const keysFileSchema = z.strictObject({
  keys: z.array(clientKey()).max(100_000).default([]).describe('Keys of clients.'),
});
