import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { Crowd, crowdLimits } from '../../../gateway/http/crowd.ts';
import { ofLimits, openFilesLimit } from '../../../gateway/config/open-files.ts';

class FakeSocket extends EventEmitter {
  destroyed = false;
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function crowdOf(most: number, spare: number) {
  const told: number[] = [];
  const crowd = new Crowd(
    () => ({ most, spare }),
    (full) => told.push(full),
  );
  const enter = (count: number) =>
    Array.from({ length: count }, () => {
      const socket = new FakeSocket();
      crowd.enter(socket as unknown as Socket);
      return socket;
    });
  const refuses = (socket: FakeSocket): boolean => {
    try {
      crowd.check(socket as unknown as Socket);
      return false;
    } catch (error) {
      expect(error).toMatchObject({ kind: 'queue_full', details: { close: true } });
      return true;
    }
  };
  return { crowd, told, enter, refuses };
}

describe('the connections of clients', () => {
  test.each([
    // open files, sockets to workers → clients, spare
    [1_024, 322, 429, 128],
    [1_024, 10_000, 320, 128],
    [256, 322, 32, 32],
    [65_536, 1_000, 63_966, 256],
    [64, 10, 8, 8],
  ])('of %i open files, with %i to workers, are %i and %i more', (openFiles, toWorkers, most, spare) => {
    expect(crowdLimits(openFiles, toWorkers)).toEqual({ most, spare });
  });

  test('are not limited where files are not', () => {
    const { most } = crowdLimits(null, 322);
    expect(most).toBe(Infinity);
  });

  test('that are too many have their calls refused, and others may come once some have gone', () => {
    const { crowd, told, enter, refuses } = crowdOf(4, 2);
    const welcome = enter(4);
    const [surplus] = enter(1);
    expect(welcome.map(refuses)).toEqual([false, false, false, false]);
    expect(refuses(surplus!)).toBe(true);
    expect(told).toEqual([4]);
    surplus!.destroy();
    welcome[0]!.destroy();
    expect(refuses(enter(1)[0]!)).toBe(false);
    expect(crowd.size).toBe(4);
  });

  test('never number more than there is room for: of those too many the first one goes', () => {
    const { crowd, enter } = crowdOf(4, 2);
    const welcome = enter(4);
    const surplus = enter(10);
    expect(crowd.size).toBe(6);
    expect(welcome.some(({ destroyed }) => destroyed)).toBe(false);
    expect(surplus.map(({ destroyed }) => destroyed)).toEqual([...Array(8).fill(true), false, false]);
    for (const socket of [...welcome, ...surplus]) if (!socket.destroyed) socket.destroy();
    expect(crowd.size).toBe(0);
  });

  test('are closed after each answer when few more can come', () => {
    const { crowd, enter } = crowdOf(8, 2);
    const sockets = enter(6);
    expect(crowd.isTight).toBe(false);
    enter(1);
    expect(crowd.isTight).toBe(true);
    for (const socket of sockets) socket.destroy();
    expect(crowd.isTight).toBe(false);
  });
});

describe('the limit of open files', () => {
  test('is read as Linux tells it', () => {
    const rows = 'Limit                     Soft Limit           Hard Limit           Units     \nMax cpu time              unlimited  ';
    expect(ofLimits(`${rows}\nMax open files            1024                 524288               files     \n`)).toBe(1_024);
    expect(ofLimits(`${rows}\nMax open files            unlimited            unlimited            files     \n`)).toBeNull();
    expect(ofLimits('')).toBeNull();
  });

  test('is known of this process, or there is none', () => {
    expect(openFilesLimit() ?? Infinity).toBeGreaterThan(20);
  });
});
