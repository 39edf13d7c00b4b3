import type { IncomingMessage } from 'node:http';
import { describe, expect, test } from 'vitest';
import { ANONYMOUS } from '../../../gateway/core/principal.ts';
import type { GatewayError } from '../../../gateway/core/errors.ts';
import { givenKey, principalOf, sameKey } from '../../../gateway/http/credentials.ts';
import { Door } from '../../../gateway/keys/door.ts';
import { KeyRing } from '../../../gateway/keys/key-ring.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { frontDoor } from './front-door.ts';

const door = frontDoor();

describe('the key of a request', () => {
  test.each<[Record<string, string>, string | null]>([
    [{}, null],
    [{ authorization: 'Bearer k' }, 'k'],
    [{ authorization: 'bEARER   k' }, 'k'],
    [{ 'x-api-key': 'k' }, 'k'],
    [{ authorization: 'Bearer k', 'x-api-key': 'k' }, 'k'],
    [{ authorization: 'Basic k', 'x-api-key': 'j' }, 'j'],
    [{ authorization: 'Basic k' }, null],
    [{ authorization: 'Bearer' }, null],
    [{ authorization: 'Bearer k k' }, null],
    [{ authorization: '' }, null],
    [{ 'x-api-key': '' }, ''],
    [{ 'proxy-authorization': 'Bearer k' }, null],
  ])('of %j is %j', (headers, key) => {
    expect(givenKey(headers)).toBe(key);
  });

  test.each([
    { authorization: 'Bearer k', 'x-api-key': 'j' },
    { authorization: 'Bearer k', 'x-api-key': '' },
    { authorization: 'Bearer k', 'x-api-key': 'k, k' },
  ])('is not guessed from two that differ: %j', (headers) => {
    expect(() => givenKey(headers)).toThrow(expect.objectContaining({ kind: 'conflicting_credentials' }) as GatewayError);
  });

  test('makes nobody known where no keys are set', () => {
    const door = new Door(createFakeClock(), new KeyRing([]), { asks: false, admitsAnyone: false, strangers: null });
    for (const headers of [{}, { authorization: 'Bearer k' }, { 'x-api-key': 'k' }, { authorization: 'Bearer k', 'x-api-key': 'j' }])
      expect(principalOf({ headers, socket: { remoteAddress: '1.2.3.4' } } as unknown as IncomingMessage, door)).toBe(ANONYMOUS);
  });

  test('is the same or it is not', () => {
    expect(sameKey('key', 'key')).toBe(true);
    for (const other of ['', 'ke', 'keys', 'KEY', 'kéy']) expect(sameKey(other, 'key')).toBe(false);
  });
});

test('a request for a worker may bring two keys that differ, where none is asked for', async () => {
  const response = await fetch(`http://127.0.0.1:${door.port}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer one', 'x-api-key': 'two' },
    body: '{"messages":[{"role":"user","content":"Hello"}]}',
  });
  expect(response.status).toBe(200);
});
