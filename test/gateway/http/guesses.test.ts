import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { beforeEach, describe, expect, test } from 'vitest';
import type { GatewayError } from '../../../gateway/core/errors.ts';
import { WrongKey } from '../../../gateway/keys/door.ts';
import { Guesses } from '../../../gateway/http/guesses.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';

let clock: FakeClock;
let guesses: Guesses;
let told: string[];

beforeEach(() => {
  clock = createFakeClock();
  guesses = new Guesses(clock);
  told = [];
});

function guess(address: string, socket = new EventEmitter()): EventEmitter {
  guesses.check(address);
  void guesses.wrong(address, socket).then(() => told.push(address));
  return socket;
}

const refused = expect.objectContaining({ kind: 'too_many_wrong_keys', status: 429 }) as GatewayError;

describe('a wrong key', () => {
  test('is told so after two seconds, and then forgotten', async () => {
    const socket = guess('203.0.113.9');
    await clock.advance(1_999);
    expect(told).toEqual([]);
    await clock.advance(1);
    expect(told).toEqual(['203.0.113.9']);
    expect(clock.pending + socket.listenerCount('close')).toBe(0);
  });

  test('of one address: while four wait, no other is looked at from there, and any from elsewhere', async () => {
    for (let i = 0; i < 4; i++) guess('203.0.113.9');
    expect(() => guesses.check('203.0.113.9')).toThrow(refused);
    expect(() => guesses.check('203.0.113.10')).not.toThrow();
    await clock.advance(2_000);
    expect(() => guesses.check('203.0.113.9')).not.toThrow();
  });

  test('counts until its time is over, though its sender has gone', async () => {
    for (let i = 0; i < 4; i++) guess('203.0.113.9').emit('close');
    await clock.advance(0);
    expect(told.length).toBe(4);
    expect(() => guesses.check('203.0.113.9')).toThrow(refused);
    await clock.advance(2_000);
    expect(() => guesses.check('203.0.113.9')).not.toThrow();
  });

  test('of a network of IPv6 counts as one', () => {
    for (const end of ['::1', '::2', ':ffff:1:2:3', ':a::b']) guess(`2001:db8:0:7${end}`);
    expect(() => guesses.check('2001:db8:0:7::9')).toThrow(refused);
    expect(() => guesses.check('2001:db8::7:0:0:0:9')).toThrow(refused);
    expect(() => guesses.check('2001:db8:0:8::9')).not.toThrow();
  });
});

describe('the operator on this machine', () => {
  test.each(['127.0.0.1', '::1', '::ffff:127.0.0.1'])('is looked at, whatever comes from %s', (address) => {
    for (let i = 0; i < 1_000; i++) guess(address);
    expect(() => guesses.check(address)).not.toThrow();
  });
});

test('what is remembered is bounded, whoever guesses', async () => {
  for (let i = 0; i < 1_000; i++) guess('127.0.0.1');
  expect(clock.pending).toBe(256);
  expect(() => guesses.check('203.0.113.9')).toThrow(refused);
  await clock.advance(2_000);
  expect(told.length).toBe(1_000);
  expect(() => guesses.check('203.0.113.9')).not.toThrow();
});

describe('wrong keys of clients', () => {
  /** Sends so many, and counts those that have been told what they are. */
  function tell(count: number, address = '203.0.113.9') {
    const counts = { wrong: 0, tooMany: 0 };
    for (let i = 0; i < count; i++) {
      const incoming = { socket: Object.assign(new EventEmitter(), { remoteAddress: address }) } as unknown as IncomingMessage;
      void guesses.inTime(new WrongKey(), incoming).then((refusal) => counts[refusal instanceof WrongKey ? 'wrong' : 'tooMany']++);
    }
    return counts;
  }

  test('are told so at once up to twenty in a minute; then four wait, and the rest are too many', async () => {
    const first = tell(20);
    await clock.advance(0);
    expect(first).toEqual({ wrong: 20, tooMany: 0 });
    const more = tell(6);
    const elsewhere = tell(1, '203.0.113.10');
    await clock.advance(1_999);
    expect([more, elsewhere]).toEqual([
      { wrong: 0, tooMany: 2 },
      { wrong: 1, tooMany: 0 },
    ]);
    await clock.advance(1);
    expect(more).toEqual({ wrong: 4, tooMany: 2 });
    await clock.advance(60_000);
    const later = tell(20);
    await clock.advance(0);
    expect(later).toEqual({ wrong: 20, tooMany: 0 });
    expect(clock.pending).toBe(0);
  });

  test('are remembered of so many addresses and no more', async () => {
    tell(20);
    for (let i = 0; i < 10_000; i++) tell(1, `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    const again = tell(20);
    await clock.advance(0);
    expect(again).toEqual({ wrong: 20, tooMany: 0 });
  });

  test('any other refusal is told at once', async () => {
    const refusal = new Error('not a key');
    tell(20);
    const incoming = { socket: { remoteAddress: '203.0.113.9' } } as unknown as IncomingMessage;
    expect(await guesses.inTime(refusal, incoming)).toBe(refusal);
  });
});
