import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import type { LoadedSettings } from '../../../gateway/config/load.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { KeyRing } from '../../../gateway/keys/key-ring.ts';
import { fingerprintOf, limitsText } from './list-keys.ts';

/** `headgate key check`: whose the key on standard input is, and what it may do. @returns 1 where it is nobody's, or not good any more */
export async function checkKey({ keys, settings }: LoadedSettings): Promise<number> {
  const secret = (await readSecret()).trim();
  const found = new KeyRing(keys).find(secret, systemClock.wall());
  if (found.kind === 'unknown') {
    const many = keys.length === 1 ? 'the one key that is' : `any of the ${keys.length} keys that are`;
    process.stdout.write(keys.length === 0 ? 'No keys are set: the gateway looks at none.\n' : `This is not ${many} set.\n`);
    return 1;
  }
  if (found.kind === 'expired') {
    process.stdout.write(`This is the key of ${found.name}, which was good until ${found.at}.\n`);
    return 1;
  }
  const key = keys.find(({ name }) => name === found.holder.name)!;
  const lines = [
    `This is the key of ${key.name} (SHA-256 ${fingerprintOf(key)}…), from ${settings.auth.keys.includes(key) ? 'the settings' : settings.auth.keys_file}.`,
    `models:   ${key.models.join(' ')}`,
    `priority: ${key.priority}`,
    `expires:  ${key.expires_at ?? 'never'}`,
    `limits:   ${limitsText(key.limits ?? settings.limits.default, key.on_limit)}`,
    `admin:    ${key.admin ? 'yes' : 'no'}`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
  return 0;
}

/** One line of standard input; a terminal shows nothing of it. */
async function readSecret(): Promise<string> {
  const isTerminal = process.stdin.isTTY === true;
  if (isTerminal) process.stderr.write('Key: ');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: isTerminal });
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
    if (isTerminal) process.stderr.write('\n');
  }
}
