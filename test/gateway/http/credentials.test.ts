import { describe, expect, test } from 'vitest';
import type { GatewayError } from '../../../gateway/core/errors.ts';
import { givenKey, principalOf, sameKey } from '../../../gateway/http/credentials.ts';
import { connectRaw } from '../../support/raw-client.ts';
import { expectRefusal, frontDoor } from './front-door.ts';

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
    for (const read of [givenKey, principalOf])
      expect(() => read(headers)).toThrow(expect.objectContaining({ kind: 'conflicting_credentials' }) as GatewayError);
  });

  test('makes nobody known, as long as no keys can be set', () => {
    for (const headers of [{}, { authorization: 'Bearer k' }, { 'x-api-key': 'k' }])
      expect(principalOf(headers)).toEqual({ kind: 'anonymous' });
  });

  test('is the same or it is not', () => {
    expect(sameKey('key', 'key')).toBe(true);
    for (const other of ['', 'ke', 'keys', 'KEY', 'kéy']) expect(sameKey(other, 'key')).toBe(false);
  });
});

describe('a relayed request', () => {
  const door = frontDoor();
  const head = (...headers: string[]) =>
    ['POST /v1/chat/completions HTTP/1.1', 'Host: x', 'Content-Length: 20', ...headers, '\r\n'].join('\r\n');

  test('with two keys is refused before its body is asked for, and before its body is judged', async () => {
    for (const more of ['Content-Type: application/json', 'Content-Type: text/plain']) {
      using client = await connectRaw(door.port);
      client.send(head('Authorization: Bearer one', 'X-Api-Key: two', 'Expect: 100-continue', more));
      expectRefusal(await client.answer(), 'conflicting_credentials');
      expect(door.worker.requests).toEqual([]);
    }
  });
});
