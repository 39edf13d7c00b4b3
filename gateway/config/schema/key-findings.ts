import { hash } from 'node:crypto';
import { type ClientKeySettings, GOOD_KEY_LENGTH } from './client-keys.ts';

/** What is wrong with one key of a list, beyond what looking at it alone shows. */
export interface KeyFinding {
  readonly severity: 'error' | 'warning';
  readonly index: number;
  readonly field: 'name' | 'key' | 'key_sha256';
  readonly message: string;
}

/** SHA-256 by which a key is known, in lower case; null for one that has none. */
export function keyDigest({ key, key_sha256: digest }: Pick<ClientKeySettings, 'key' | 'key_sha256'>): string | null {
  if (digest !== null) return digest.toLowerCase();
  return key === null ? null : hash('sha256', key);
}

/** Looks at a list of keys beside those of another list, which come first. No message holds a secret. */
export function* keyFindings(keys: readonly ClientKeySettings[], before: readonly ClientKeySettings[] = []): Generator<KeyFinding> {
  const names = new Set(before.map(({ name }) => name));
  const owners = new Map(before.map((each) => [keyDigest(each), each.name]));
  for (const [index, each] of keys.entries()) {
    const { name, key, key_sha256: digest } = each;
    if (names.has(name)) yield { severity: 'error', index, field: 'name', message: `there is a key ${name} already: each name once` };
    names.add(name);
    if (key === null && digest === null) {
      const message = `the key ${name} has neither key nor key_sha256: "headgate key new ${name}" prints a line with one`;
      yield { severity: 'error', index, field: 'name', message };
      continue;
    }
    if (key !== null && digest !== null) {
      yield { severity: 'error', index, field: 'key', message: `the key ${name} has both key and key_sha256: leave one of them out` };
      continue;
    }
    const field = key === null ? 'key_sha256' : 'key';
    const known = keyDigest(each);
    const owner = owners.get(known);
    if (owner !== undefined && owner !== name) yield { severity: 'error', index, field, message: `is the same secret as that of ${owner}` };
    owners.set(known, name);
    if (key !== null && key.length < GOOD_KEY_LENGTH) {
      const message = `the key ${name} has fewer than ${GOOD_KEY_LENGTH} characters and may be guessed; "headgate key new" makes a good one`;
      yield { severity: 'warning', index, field, message };
    }
  }
}
