import type { LoadedSettings } from '../../../gateway/config/load.ts';
import type { ClientKeySettings } from '../../../gateway/config/schema/client-keys.ts';
import { keyDigest } from '../../../gateway/config/schema/key-findings.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { columns } from '../../../gateway/core/log/columns.ts';
import { listedKeys } from '../../../gateway/keys/key-list.ts';

/** So much of a key's SHA-256 tells it from others, and gives nothing away. */
const FINGERPRINT_CHARS = 8;

/** `headgate key list`: the keys that hold, without the secrets. */
export function listKeys({ keys, settings }: LoadedSettings, asJson: boolean): number {
  const now = systemClock.wall();
  const rows = listedKeys({ keys, settings }, keys.length, now).map(({ name, ...told }, i) => ({
    ...{ name, fingerprint: fingerprintOf(keys[i]!) },
    ...told,
  }));
  if (asJson) process.stdout.write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  else if (rows.length === 0) process.stdout.write('No keys are set. "headgate key new NAME" makes one.\n');
  else {
    const cells = rows.map(({ name, fingerprint, priority, expires_at: at, expired, admin, models, limits, on_limit: onLimit, from }) => [
      name,
      fingerprint,
      priority,
      at === null ? 'never' : expired ? `expired ${at}` : at,
      admin ? 'yes' : 'no',
      models.join(' '),
      limitsText(limits, onLimit),
      from,
    ]);
    const head = ['NAME', 'SHA-256', 'PRIORITY', 'EXPIRES', 'ADMIN', 'MODELS', 'LIMITS', 'FROM'];
    process.stdout.write(`${columns([head, ...cells]).join('\n')}\n`);
  }
  return 0;
}

/** `60 requests/min, 20000 tokens/min, 8 at once; waits` */
export function limitsText(limits: NonNullable<ClientKeySettings['limits']>, onLimit: ClientKeySettings['on_limit']): string {
  const { requests_per_minute: requests, tokens_per_minute: tokens, concurrent_requests: places } = limits;
  const { tokens_per_day: day, tokens_per_month: month } = limits;
  const told = [
    ...(requests === null ? [] : [`${requests} requests/min`]),
    ...(tokens === null ? [] : [`${tokens} tokens/min`]),
    ...(places === null ? [] : [`${places} at once`]),
    ...(day === null ? [] : [`${day} tokens/day`]),
    ...(month === null ? [] : [`${month} tokens/month`]),
  ];
  return told.length === 0 ? 'none' : `${told.join(', ')}${onLimit === 'wait' ? '; waits' : ''}`;
}

export function fingerprintOf(key: ClientKeySettings): string {
  return (keyDigest(key) ?? '').slice(0, FINGERPRINT_CHARS);
}
