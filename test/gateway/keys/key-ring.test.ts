import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { KeyRing } from '../../../gateway/keys/key-ring.ts';
import { keyOf, SECRET } from './keys.ts';

const digest = (text: string) => createHash('sha256').update(text).digest('hex');
const NOON = Date.parse('2026-06-01T12:00:00Z');

describe('a key', () => {
  test('is found by itself, and by its SHA-256 in either case', () => {
    for (const given of [{ key: SECRET }, { key_sha256: digest(SECRET) }, { key_sha256: digest(SECRET).toUpperCase() }]) {
      const found = new KeyRing([keyOf({ name: 'app', ...given })]).find(SECRET, NOON);
      expect(found).toMatchObject({ kind: 'holder', holder: { kind: 'key', name: 'app', isBatch: false, isAdmin: false } });
    }
  });

  test.each([SECRET.slice(0, -1), `${SECRET}x`, SECRET.toUpperCase(), '', digest(SECRET), ` ${SECRET}`])('is not %j', (other) => {
    expect(new KeyRing([keyOf({ name: 'app', key: SECRET })]).find(other, NOON)).toEqual({ kind: 'unknown' });
  });

  test('says what it may', () => {
    const ring = new KeyRing([keyOf({ name: 'app', key: SECRET, models: ['m', 'gpt*'], priority: 'batch', admin: true })]);
    const found = ring.find(SECRET, NOON);
    if (found.kind !== 'holder') throw new Error(found.kind);
    expect(found.holder).toMatchObject({ isBatch: true, isAdmin: true });
    expect(found.holder.mayUse({ id: 'm', aliases: [] })).toBe(true);
    expect(found.holder.mayUse({ id: 'x', aliases: ['gpt-4o'] })).toBe(true);
    expect(found.holder.mayUse({ id: 'x', aliases: [] })).toBe(false);
  });

  test.each([
    ['2026-06-02', 'holder'],
    ['2026-06-01', 'expired'],
    ['2026-06-01T12:00:01Z', 'holder'],
    ['2026-06-01T12:00:00Z', 'expired'],
    ['2026-06-01T13:59:59+02:00', 'expired'],
    ['2026-06-01T14:00:01+02:00', 'holder'],
  ] as const)('that expires at %s is at noon of the first of June: %s', (expiresAt, kind) => {
    expect(new KeyRing([keyOf({ name: 'app', key: SECRET, expires_at: expiresAt })]).find(SECRET, NOON).kind).toBe(kind);
  });

  test('does not stand in the ring', () => {
    expect(inspect(new KeyRing([keyOf({ name: 'app', key: SECRET })]), { depth: 9, showHidden: true })).not.toContain(SECRET);
  });
});

test('ten thousand keys are each found', () => {
  const keys = Array.from({ length: 10_000 }, (_, i) => keyOf({ name: `k${i}`, key: `hg-secret-number-${i}` }));
  const ring = new KeyRing(keys);
  expect(ring.size).toBe(10_000);
  for (let i = 0; i < 10_000; i += 99) {
    const found = ring.find(`hg-secret-number-${i}`, NOON);
    expect(found.kind === 'holder' && found.holder.name).toBe(`k${i}`);
  }
});
