import { expect, test, vi } from 'vitest';
import { KeyRing } from '../../../gateway/keys/key-ring.ts';
import { ShownKey } from '../../../gateway/keys/shown-key.ts';
import { keyOf, SECRET } from './keys.ts';

const NOON = Date.parse('2026-06-01T12:00:00Z');
const app = keyOf({ name: 'app', key: SECRET });

test('a key that a connection brings again is the same holder, and not looked for again', () => {
  const ring = new KeyRing([app]);
  const find = vi.spyOn(ring, 'find');
  const shown = new ShownKey();
  const first = shown.find(ring, SECRET, NOON);
  expect(first).toMatchObject({ kind: 'holder', holder: { name: 'app' } });
  expect(shown.find(ring, SECRET, NOON)).toBe(first);
  expect(find).toHaveBeenCalledTimes(1);
});

test.each([SECRET.slice(0, -1), `${SECRET}x`, `x${SECRET.slice(1)}`, SECRET.toUpperCase(), ''])(
  'after a good key %j is as wrong as ever',
  (other) => {
    const ring = new KeyRing([app]);
    const shown = new ShownKey();
    shown.find(ring, SECRET, NOON);
    expect(shown.find(ring, other, NOON)).toEqual({ kind: 'unknown' });
    // Nor has it taken the place of the good one.
    expect(shown.find(ring, SECRET, NOON)).toMatchObject({ kind: 'holder' });
  },
);

test('another key on the same connection is another holder', () => {
  const ring = new KeyRing([app, keyOf({ name: 'other', key: `${SECRET}-2` })]);
  const shown = new ShownKey();
  for (const [secret, name] of [
    [SECRET, 'app'],
    [`${SECRET}-2`, 'other'],
    [SECRET, 'app'],
  ] as const) {
    expect(shown.find(ring, secret, NOON)).toMatchObject({ holder: { name } });
  }
});

test('a key that has been taken out, or is over, is not good any more', () => {
  const shown = new ShownKey();
  const ring = new KeyRing([keyOf({ name: 'app', key: SECRET, expires_at: '2026-06-01T12:00:01Z' })]);
  expect(shown.find(ring, SECRET, NOON)).toMatchObject({ kind: 'holder' });
  expect(shown.find(ring, SECRET, NOON + 1_000)).toMatchObject({ kind: 'expired' });
  expect(shown.find(ring, SECRET, NOON)).toMatchObject({ kind: 'holder' });
  expect(shown.find(new KeyRing([]), SECRET, NOON)).toEqual({ kind: 'unknown' });
});
