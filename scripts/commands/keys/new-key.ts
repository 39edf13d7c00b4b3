import { hash, randomBytes } from 'node:crypto';
import { EXIT_USAGE } from '../../../gateway/config/exit-codes.ts';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import { clientKey } from '../../../gateway/config/schema/client-keys.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { KEY_PREFIX } from '../../../gateway/keys/door.ts';

const KEY_BYTES = 32;
const DAYS = /^(\d{1,5})d$/;
const DAY_MS = 86_400_000;

/** `headgate key new NAME`: makes a key that nobody can guess, and prints it with the line that makes it hold. It is kept nowhere. */
export function newKey({ keys }: LoadedSettings, name: string | null, own: ReadonlyMap<string, string | true>): number {
  if (name === null) return wrong('NAME is missing: headgate key new NAME');
  if (keys.some((known) => known.name === name)) return wrong(`there is a key ${name} already; each name stands for one`);
  const secret = `${KEY_PREFIX}${randomBytes(KEY_BYTES).toString('base64url')}`;
  const models = textOf(own.get('models'))?.split(',').filter(Boolean);
  const expires = textOf(own.get('expires'));
  const now = systemClock.wall();
  const days = DAYS.exec(expires ?? '')?.[1];
  const expiresAt = days === undefined ? expires : new Date(Math.ceil(now / 1000) * 1000 + Number(days) * DAY_MS).toISOString();
  if (expiresAt !== undefined && Date.parse(expiresAt) <= now) return wrong(`--expires: ${expires} is over already`);
  const record = {
    name,
    key_sha256: hash('sha256', secret),
    ...(models === undefined ? {} : { models }),
    ...(own.has('batch') ? { priority: 'batch' } : {}),
    ...(expiresAt === undefined ? {} : { expires_at: expiresAt }),
    ...(own.has('admin') ? { admin: true } : {}),
  };
  const parsed = clientKey().safeParse(record);
  if (!parsed.success && expires !== undefined && parsed.error.issues.every(({ path }) => path[0] === 'expires_at')) {
    return wrong('--expires: expected a number of days such as 90d, or a day or a time with its zone, such as 2027-01-31');
  }
  if (!parsed.success) return wrong(parsed.error.issues.map(({ path, message }) => `${flagOf(String(path[0]))}: ${message}`).join('; '));
  if (own.has('json')) {
    process.stdout.write(`${JSON.stringify({ ...record, key: secret })}\n`);
    return 0;
  }
  // JSON is YAML too, whatever stands in a name.
  const line = Object.entries(record).map(([field, value]) => `${field}: ${JSON.stringify(value)}`);
  process.stdout.write(`The key of ${name}, which is shown this once and kept nowhere:

  ${secret}

The line for the list keys: of auth: in the settings, or of the file that auth.keys_file names:

  - { ${line.join(', ')} }
`);
  return 0;
}

function textOf(value: string | true | undefined): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function flagOf(field: string): string {
  return { name: 'NAME', models: '--models', expires_at: '--expires' }[field] ?? field;
}

function wrong(message: string): number {
  process.stderr.write(`headgate: ${message}\n`);
  return EXIT_USAGE;
}
