import { describe, expect, test } from 'vitest';
import { GatewayError } from '../../../gateway/core/errors.ts';
import { Door, type DoorRules, WrongKey } from '../../../gateway/keys/door.ts';
import { KeyRing } from '../../../gateway/keys/key-ring.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { keyOf, SECRET } from './keys.ts';

const KEYS = [
  keyOf({ name: 'app', key: SECRET }),
  keyOf({ name: 'old', key: 'hg-of-last-year-long', expires_at: '2025-12-31' }),
  keyOf({ name: 'boss', key: 'hg-of-the-operator-x', admin: true }),
];

function outcome(rules: DoorRules, given: string | null): string {
  const door = new Door(createFakeClock(), new KeyRing(KEYS), rules);
  try {
    const principal = door.principalOf(given);
    return principal.kind === 'key' ? principal.name : principal.kind;
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    return error instanceof WrongKey ? 'wrong' : error.kind;
  }
}

const CLOSED = { asks: true, admitsAnyone: false, strangers: null };
const BOTH = { asks: true, admitsAnyone: true, strangers: null };
const OPEN = { asks: false, admitsAnyone: false, strangers: null };

describe('who asks', () => {
  test.each([
    [CLOSED, SECRET, 'app'],
    [CLOSED, null, 'invalid_api_key'],
    [CLOSED, 'made-up', 'wrong'],
    [CLOSED, 'hg-of-last-year-long', 'invalid_api_key'],
    [BOTH, SECRET, 'app'],
    [BOTH, null, 'anonymous'],
    // The libraries of clients want some key.
    [BOTH, 'not-needed', 'anonymous'],
    [BOTH, 'hg-that-was-taken-out', 'wrong'],
    [BOTH, 'hg-of-last-year-long', 'invalid_api_key'],
    [OPEN, SECRET, 'anonymous'],
    [OPEN, 'made-up', 'anonymous'],
  ] as const)('%j, with %j: %s', (rules, given, expected) => expect(outcome(rules, given)).toBe(expected));
});

test('refusals name no key but one that was good once', () => {
  const door = new Door(createFakeClock(), new KeyRing(KEYS), CLOSED);
  const said = (given: string | null): string => {
    try {
      door.principalOf(given);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect(said('hg-guessed')).toBe('Incorrect API key provided. Whoever runs this gateway can give you one.');
  expect(said('hg-of-last-year-long')).toBe('The API key old was good until 2025-12-31.');
  expect(said(null)).toContain('Authorization: Bearer');
});

test('only a key that says so opens what is for operators', () => {
  const door = new Door(createFakeClock(), new KeyRing(KEYS), CLOSED);
  expect(door.adminOf('hg-of-the-operator-x')?.name).toBe('boss');
  expect(door.adminOf(SECRET)).toBeNull();
  expect(door.adminOf('made-up')).toBeNull();
});
