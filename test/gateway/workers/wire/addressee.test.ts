import { describe, expect, test } from 'vitest';
import { Addressee } from '../../../../gateway/workers/wire/addressee.ts';

const ID = (n: number): string => String(n).padStart(32, '0');
const body = (n: number | null, before = '{"id":"chatcmpl-'): Buffer =>
  Buffer.from(n === null ? '{"object":"list"}' : `${before}${ID(n)}","x":1}`);

/** Request n is sent, and the answer to `answered` comes. @returns whether it was taken for another's */
function exchange(addressee: Addressee, n: number, answered: number | null, before?: string): boolean {
  addressee.expect(ID(n));
  return addressee.undecided && addressee.isAnothersBody(body(answered, before));
}

describe('an answer that names a request in its body', () => {
  test('is the one that was asked for, wherever it does so', () => {
    const addressee = new Addressee();
    for (let n = 0; n < 9; n++) expect(exchange(addressee, n, n, n % 2 ? 'data: {"id":"chatcmpl-' : undefined)).toBe(false);
  });

  test('is not, where it names one of the eight before it', () => {
    for (const late of [1, 2, 8]) {
      const addressee = new Addressee();
      for (let n = 0; n < 9; n++) exchange(addressee, n, n);
      expect(exchange(addressee, 9, 9 - late)).toBe(true);
    }
  });

  test('is nobody else that is known here, where it names a third', () => {
    const addressee = new Addressee();
    for (let n = 0; n < 5; n++) exchange(addressee, n, n);
    expect(exchange(addressee, 5, 99)).toBe(false);
  });

  test('is still looked at after a few that name none', () => {
    const addressee = new Addressee();
    for (let n = 0; n < 10; n++) exchange(addressee, n, null);
    expect(exchange(addressee, 10, 9)).toBe(true);
  });

  test('is looked at now and then after many that name none, and from the first that does on at each', () => {
    const addressee = new Addressee();
    for (let n = 0; n < 100; n++) exchange(addressee, n, null);
    for (let n = 100; n < 120; n++) exchange(addressee, n, n);
    expect(exchange(addressee, 120, 119)).toBe(true);
  });
});
