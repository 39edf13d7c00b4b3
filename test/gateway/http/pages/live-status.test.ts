import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { beforeEach, describe, expect, test } from 'vitest';
import { LiveStatus, MOST_WATCHERS } from '../../../../gateway/http/pages/live-status.ts';
import type { AdminStatus } from '../../../../gateway/http/pages/admin-answers.ts';
import { ADMIN_KEY } from '../../../support/admin.ts';
import { createFakeClock, type FakeClock } from '../../../support/fake-clock.ts';
import { startTestGateway, until } from '../../../support/gateway.ts';
import { startFakeVllm } from '../../../support/fake-vllm.ts';
import { connectRaw } from '../../../support/raw-client.ts';
import { expectRefusal, frontDoor } from '../front-door.ts';

/** As much of a response as a watcher has. */
class Watching extends EventEmitter {
  head: unknown = null;
  readonly events: { revision: number }[] = [];
  /** Bytes that the client has not taken. */
  writableLength = 0;
  socket = null;
  ended = false;
  destroyed = false;

  writeHead(status: number, headers: object): void {
    this.head = { status, ...headers };
  }

  write(text: string): boolean {
    expect(text).toMatch(/^data: .*\n\n$/);
    this.events.push(JSON.parse(text.slice('data: '.length)));
    return true;
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }

  get revisions(): number[] {
    return this.events.map(({ revision }) => revision);
  }
}

let clock: FakeClock;
let revision: number;
let reads: number;
let listeners: Set<() => void>;
let live: LiveStatus;

beforeEach(() => {
  clock = createFakeClock();
  revision = reads = 0;
  listeners = new Set();
  live = new LiveStatus({
    clock,
    directory: {
      onChange(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
    },
    read: () => {
      reads++;
      return { revision } as unknown as AdminStatus;
    },
  });
});

function watch(): Watching {
  const response = new Watching();
  live.watch(response as unknown as ServerResponse);
  return response;
}

function change(): void {
  revision++;
  for (const listener of listeners) listener();
}

describe('a watcher of the status', () => {
  test('is told at once, and after every change', async () => {
    const watching = watch();
    expect(watching.head).toEqual({
      status: 200,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
    expect(watching.revisions).toEqual([0]);
    await clock.advance(1_000);
    change();
    await clock.advance(0);
    expect(watching.revisions).toEqual([0, 1]);
  });

  test('is told at most every 250 ms, and of the last change in any case', async () => {
    const watching = watch();
    for (let i = 0; i < 90; i++) {
      change();
      await clock.advance(10);
    }
    expect(watching.revisions).toEqual([0, 25, 50, 75]);
    await clock.advance(250);
    expect(watching.revisions.at(-1)).toBe(90);
  });

  test('is told every 15 s, whether anything changes or not', async () => {
    const watching = watch();
    await clock.advance(60_000);
    expect(watching.revisions).toEqual([0, 0, 0, 0, 0]);
    await clock.advance(14_000);
    change();
    await clock.advance(14_999);
    expect(watching.revisions).toEqual([0, 0, 0, 0, 0, 1]);
    await clock.advance(1);
    expect(watching.revisions).toHaveLength(7);
  });

  test('who does not read gets nothing on top, and the latest when it reads again', async () => {
    const watching = watch();
    watching.writableLength = 100;
    await clock.advance(1_000);
    change();
    await clock.advance(10_000);
    change();
    expect(watching.revisions).toEqual([0]);
    watching.writableLength = 0;
    await clock.advance(250);
    expect(watching.revisions).toEqual([0, 2]);
  });

  test('who does not read for a minute is cut', async () => {
    const watching = watch();
    watching.writableLength = 100;
    await clock.advance(59_000);
    expect(watching.destroyed).toBe(false);
    await clock.advance(1_250);
    expect(watching).toMatchObject({ destroyed: true, ended: false });
    expect(clock.pending).toBe(0);
    expect(listeners.size).toBe(0);
  });

  test('who leaves is forgotten, and without watchers nothing is listened to, read or timed', async () => {
    expect(listeners.size).toBe(0);
    const [one, two] = [watch(), watch()];
    expect(listeners.size).toBe(1);
    one.emit('close');
    change();
    await clock.advance(1_000);
    expect([one.revisions, two.revisions]).toEqual([[0], [0, 1]]);
    two.emit('close');
    expect(listeners.size).toBe(0);
    expect(clock.pending).toBe(0);
    const before = reads;
    change();
    await clock.advance(60_000);
    expect(reads).toBe(before);
    // And the next is served again.
    expect(watch().revisions).toEqual([2]);
  });

  test('beyond the sixteenth is refused until one leaves', () => {
    const watching = Array.from({ length: MOST_WATCHERS }, watch);
    expect(watch).toThrow(expect.objectContaining({ kind: 'queue_full', status: 503 }));
    watching[3]!.emit('close');
    expect(watch().revisions).toEqual([0]);
    expect(watch).toThrow();
  });

  test('whose client has left before is not kept', () => {
    const response = new Watching();
    response.destroyed = true;
    live.watch(response as unknown as ServerResponse);
    expect(response.events).toEqual([]);
    expect(listeners.size + clock.pending).toBe(0);
  });

  test('is let go of at the end, and nobody is taken after it', async () => {
    const watching = [watch(), watch()];
    live.close();
    expect(watching.map(({ ended }) => ended)).toEqual([true, true]);
    expect(watch).toThrow(expect.objectContaining({ kind: 'draining', status: 503 }));
    change();
    await clock.advance(60_000);
    expect(watching.map(({ events }) => events.length)).toEqual([1, 1]);
    expect(listeners.size + clock.pending).toBe(0);
  });
});

describe('over HTTP', () => {
  const door = frontDoor();
  const bare = (path: string, ...headers: string[]) => [`GET ${path} HTTP/1.1`, 'Host: localhost', ...headers, '\r\n'].join('\r\n');
  const get = (path: string, ...headers: string[]) => bare(path, `X-Api-Key: ${ADMIN_KEY}`, ...headers);

  test.each([
    ['the query', get('/admin/status?watch')],
    ['its value', get('/admin/status?watch=true')],
    ['the accepted type', get('/admin/status', 'Accept: text/event-stream')],
  ])('the status is watched where %s asks for it', async (_what, bytes) => {
    using client = await connectRaw(door.port);
    client.send(bytes);
    await until(() => client.received.includes('\n\n\r\n'), 'the first event');
    expect(client.received).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(client.received).toMatch(/\r\ncontent-type: text\/event-stream; charset=utf-8\r\n/i);
    expect(client.received).toMatch(/\r\nx-request-id: [\w.-]+\r\n/i);
    const status: AdminStatus = JSON.parse(/data: (.*)\n\n/.exec(client.received)![1]!);
    expect(status.workers).toMatchObject([{ state: 'ready', model: 'm' }]);
  });

  test('it is not watched otherwise, nor by HEAD', async () => {
    for (const bytes of [
      get('/admin/status'),
      get('/admin/status?watch=false', 'Accept: text/event-stream'),
      get('/admin/status', 'Accept: */*'),
    ]) {
      const { headers, body } = await door.ask(bytes);
      expect(headers['content-type']).toBe('application/json');
      expect(JSON.parse(body)).toHaveProperty('workers');
    }
    using client = await connectRaw(door.port);
    client.send(get('/admin/status?watch').replace('GET', 'HEAD') + get('/livez'));
    await until(() => client.received.split('HTTP/1.1 200').length === 3, 'both answers');
  });

  test('it is guarded as the status is', async () => {
    expectRefusal(await door.ask(bare('/admin/status?watch')), 'invalid_api_key');
    expectRefusal(await door.ask(get('/admin/status?watch', 'Origin: https://evil.example')), 'admin_only');
    expectRefusal(await door.ask(bare('/admin/status', 'Accept: text/event-stream')), 'invalid_api_key');
  });

  test('the seventeenth is told to come back', async () => {
    const clients = await Promise.all(Array.from({ length: MOST_WATCHERS }, () => connectRaw(door.port)));
    try {
      for (const client of clients) client.send(get('/admin/status?watch'));
      for (const client of clients) await until(() => client.received.includes('data: '), 'it watches');
      const answer = await door.ask(get('/admin/status?watch'));
      expectRefusal(answer, 'queue_full');
      expect(answer.headers['retry-after']).toMatch(/^\d+$/);
    } finally {
      for (const client of clients) client[Symbol.dispose]();
    }
  });

  test('a change of the directory is told, and a drain ends it whole', async () => {
    await using worker = await startFakeVllm();
    await using gateway = await startTestGateway([worker.url]);
    await gateway.gateway.firstReady;
    using client = await connectRaw(gateway.port);
    client.send(get('/admin/status?watch'));
    await until(() => client.received.includes('data: '), 'it watches');
    gateway.settings = { models: [{ id: 'm', aliases: ['an-alias'] }] };
    expect(gateway.gateway.reload().ok).toBe(true);
    await until(() => client.received.includes('an-alias'), 'the change');
    await gateway.stop();
    await client.ended;
    expect(client.received.endsWith('\r\n0\r\n\r\n')).toBe(true);
  });
});
