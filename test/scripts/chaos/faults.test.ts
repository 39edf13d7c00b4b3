import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { FaultProxy } from '../../../scripts/chaos/faults/fault-proxy.ts';
import { FaultyWorker } from '../../../scripts/chaos/faults/faulty-worker.ts';
import { listenOn } from '../../../scripts/chaos/faults/listen-on.ts';
import { Spoiler } from '../../../scripts/chaos/faults/spoiler.ts';
import { answerOf } from '../../../scripts/chaos/law/mark.ts';
import { ask } from '../../../scripts/chaos/calls/ask.ts';

/** Where bytes differ. */
function spoiltAt(text: string, cuts: readonly number[]): number[] {
  const spoiler = new Spoiler();
  const whole = Buffer.from(text);
  const pieces = [...cuts, whole.length].map((to, at) => whole.subarray(at === 0 ? 0 : cuts[at - 1]!, to));
  const spoilt = Buffer.concat(pieces.map((piece) => spoiler.spoil(piece)));
  expect(spoilt.length).toBe(whole.length);
  return [...whole.keys()].filter((at) => spoilt[at] !== whole[at]);
}

test('every 61st byte of text is spoilt, however it is cut, and heads are spared', () => {
  const text = 'x'.repeat(200);
  expect(spoiltAt(text, [])).toEqual([60, 121, 182]);
  expect(spoiltAt(text, [10, 11, 61, 150])).toEqual([60, 121, 182]);
  const head = `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(300)}\r\n\r\n`;
  expect(spoiltAt(head + text, [])).toEqual([60, 121, 182].map((at) => at + head.length));
  expect(spoiltAt(head + text, [50, head.length + 30])).toEqual([60, 121, 182].map((at) => at + head.length));
  // The next answer on the same connection goes on counting.
  expect(spoiltAt(text + head + text, [text.length])).toEqual([
    60,
    121,
    182,
    ...[43, 104, 165].map((at) => at + text.length + head.length),
  ]);
});

const asked = (id: string, stream = false) => ({ mark: { id, words: 4 }, stream, limitMs: 10_000 });

test('a worker that is mended in one way goes on failing in the other', async () => {
  const worker = new FaultyWorker();
  await worker.listen();
  try {
    const [first, second] = [worker.behave('status-500'), worker.behave('status-503')];
    expect((await ask(worker.url, asked('c-1'))).status).toBe(503);
    first();
    expect((await ask(worker.url, asked('c-2'))).status).toBe(503);
    second();
    expect(await ask(worker.url, asked('c-3'))).toMatchObject({ ending: 'ok' });
    expect(worker.strikes.map(({ id }) => id)).toEqual(['c-1', 'c-2']);
    expect([...worker.asked]).toEqual(['c-1', 'c-2', 'c-3'].map((id) => [id, 1]));
  } finally {
    await worker.die();
  }
});

test('a worker knows its own model alone', async () => {
  const worker = new FaultyWorker();
  worker.model = 'another';
  await worker.listen();
  try {
    expect((await ask(worker.url, { ...asked('c-1'), extra: { model: 'm' } })).status).toBe(404);
    expect((await ask(worker.url, { ...asked('c-2'), extra: { model: 'another' } })).status).toBe(200);
    await fetch(`${worker.url}/v1/models`);
    expect(worker.otherModelTold).toBe(1);
  } finally {
    await worker.die();
  }
});

test('a long answer waits for whoever reads it', async () => {
  const worker = new FaultyWorker({ gapMs: 0, padding: 3_000 });
  await worker.listen();
  const socket = connect(worker.port, '127.0.0.1');
  try {
    const body = JSON.stringify({ stream: true, messages: [{ content: 'mark c-1 words 6000' }] });
    socket.write(`POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await once(socket, 'readable');
    // What 18 MB leave over for us to read is more than a system keeps: the worker has not been able to say all of it.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(worker.openRequests).toBe(1);
    socket.resume();
    while (worker.openRequests > 0) await once(socket, 'data');
    expect(worker.longestHeldMs).toBeGreaterThan(100);
  } finally {
    socket.destroy();
    await worker.die();
  }
});

test('a line tells which calls its fault has met, and no scrape is one', async () => {
  const worker = new FaultyWorker();
  await worker.listen();
  const line = new FaultProxy(worker);
  await line.listen();
  try {
    const end = line.fail('late', 20);
    await fetch(`${line.url}/metrics`);
    expect([line.strikes.length, line.hits > 0]).toEqual([0, true]);
    expect(await ask(line.url, asked('c-1'))).toMatchObject({ ending: 'ok' });
    const over = line.fail('corrupt');
    end();
    const spoilt = await ask(line.url, { ...asked('c-2'), mark: { id: 'c-2', words: 60 } });
    expect(spoilt.text).not.toBe(answerOf(spoilt.mark));
    over();
    expect(await ask(line.url, asked('c-3'))).toMatchObject({ ending: 'ok' });
    expect(line.strikes.map(({ id }) => id)).toEqual(['c-1', 'c-2']);
  } finally {
    await line.close();
    await worker.die();
  }
});

test('a server takes another port where somebody has taken the one it was to have, and its own or none again', async () => {
  const taken = createServer();
  const port = await listenOn(
    () => taken,
    0,
    () => {},
  );
  try {
    // Below what systems hand out to outgoing connections.
    expect(port).toBeLessThan(32_768);
    let server = taken;
    const another = await listenOn(
      () => server,
      0,
      () => (server = createServer()),
    );
    expect(server).not.toBe(taken);
    expect(another).not.toBe(port);
    server.close();
    await expect(
      listenOn(
        () => createServer(),
        port,
        () => {},
      ),
    ).rejects.toThrow('EADDRINUSE');
  } finally {
    taken.close();
  }
});

test('what is held back comes in its order, also when the line is well again meanwhile', async () => {
  const numbers = Array.from({ length: 60 }, (_, i) => `${i} `);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    void (async () => {
      for (const number of numbers) {
        socket.write(number);
        await delay(1);
      }
      socket.end();
    })();
  });
  const port = await listenOn(
    () => server,
    0,
    () => server,
  );
  const line = new FaultProxy({ port });
  await line.listen();
  try {
    const end = line.fail('late', 40);
    const texts = Array.from({ length: 8 }, async () => {
      const socket = connect(line.port, '127.0.0.1').setEncoding('utf8');
      let text = '';
      socket.on('data', (piece: string) => (text += piece));
      await once(socket, 'close');
      return text;
    });
    setTimeout(end, 30);
    expect(new Set(await Promise.all(texts))).toEqual(new Set([numbers.join('')]));
  } finally {
    await line.close();
    server.close();
  }
});
