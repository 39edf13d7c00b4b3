import type { LoadedSettings } from '../../../gateway/config/load.ts';
import type { ClientKeySettings } from '../../../gateway/config/schema/client-keys.ts';
import { keyDigest } from '../../../gateway/config/schema/key-findings.ts';

/** So much of a key's SHA-256 tells it from others, and gives nothing away. */
const FINGERPRINT_CHARS = 8;

/** `headgate key list`: the keys that hold, without the secrets. */
export function listKeys({ keys, settings }: LoadedSettings, asJson: boolean): number {
  const rows = keys.map((key) => ({
    name: key.name,
    fingerprint: fingerprintOf(key),
    priority: key.priority,
    expires_at: key.expires_at,
    admin: key.admin,
    models: key.models,
    from: settings.auth.keys.some(({ name }) => name === key.name) ? 'settings' : (settings.auth.keys_file ?? 'settings'),
  }));
  if (asJson) process.stdout.write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  else if (rows.length === 0) process.stdout.write('No keys are set. "headgate key new NAME" makes one.\n');
  else {
    const now = Date.now();
    const cells = rows.map(({ name, fingerprint, priority, expires_at: at, admin, models, from }) => [
      name,
      fingerprint,
      priority,
      at === null ? 'never' : Date.parse(at) > now ? at : `expired ${at}`,
      admin ? 'yes' : 'no',
      models.join(' '),
      from,
    ]);
    process.stdout.write(columns([['NAME', 'SHA-256', 'PRIORITY', 'EXPIRES', 'ADMIN', 'MODELS', 'FROM'], ...cells]));
  }
  return 0;
}

export function fingerprintOf(key: ClientKeySettings): string {
  return (keyDigest(key) ?? '').slice(0, FINGERPRINT_CHARS);
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
