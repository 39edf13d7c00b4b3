import { afterEach, describe, expect, test } from 'vitest';
import { answers, event, startFakeVllm, type Script } from '../../support/fake-vllm.ts';
import { startTestGateway, until } from '../../support/gateway.ts';
import { ask, connectRaw } from '../../support/raw-client.ts';
import { CHAT, expectRefusal, frontDoor, request } from './front-door.ts';

const door = frontDoor({
  timeouts: { idle_ms: 1_500 },
  admission: { headroom: 0, max_queue: 5 },
  batch_window: { window_ms: 0 },
});
afterEach(async () => {
  await until(() => door.gateway.gateway.figures.inFlight() === 0, 'nothing in flight');
  door.worker.requests.length = 0;
  door.worker.script = answers.completion();
});

const HEAD = 'POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
const PADDING = 'x'.repeat(2_000);
const STREAM = '{"model":"m","stream":true,"messages":[]}';

describe('case 19: bodies that are cut', () => {
  test.each([
    ['by a length that is not reached', `${HEAD}Content-Length: 1000\r\n\r\n{"model"`],
    ['by a missing last chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\n1b\r\n${CHAT}\r\n`],
    ['in the middle of a chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\nfff\r\n{"mod`],
  ])('%s: nothing goes to the worker', async (_name, bytes) => {
    using client = await connectRaw(door.port);
    client.socket.end(bytes);
    await client.ended;
    expect(client.received === '' || client.received.startsWith('HTTP/1.1 400 ')).toBe(true);
    expect(door.worker.requests).toEqual([]);
  });

  test('a client that leaves in the middle of an upload has taken no place and is not held against the worker', async () => {
    const { figures } = door.gateway.gateway;
    const head =
      '--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n';
    const ends = (): number =>
      door.gateway.log.filter(({ event, route }) => event === 'request.end' && route === '/v1/audio/transcriptions').length;
    for (let i = 0; i < 8; i++) {
      using client = await connectRaw(door.port);
      client.send(
        `POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 900000\r\n\r\n${head}`,
      );
      client.send(Buffer.alloc(100_000, 'x'));
      expect(figures.inFlight()).toBe(0);
      client.socket.destroy();
      await until(() => ends() === i + 1, 'the upload has been given up');
    }
    expect(door.worker.requests).toEqual([]);
    expect(
      [...figures.breakers().values()].every(({ state, consecutiveFailures }) => state === 'closed' && consecutiveFailures === 0),
    ).toBe(true);
  });
});

describe('case 20: pipelined requests', () => {
  test('are answered in order, however their answers come', async () => {
    let count = 0;
    door.worker.script = (asked, response) => {
      // The first takes longest; one is a stream, one a failure.
      const number = ++count;
      const script =
        number === 2
          ? answers.stream(['x', 'y'], 5)
          : number === 3
            ? answers.error(400, { error: { message: 'no' } })
            : answers.completion(`answer`);
      setTimeout(() => script(asked, response), 60 - number * 10);
    };
    using client = await connectRaw(door.port);
    const lines = [CHAT, STREAM, CHAT, CHAT].map((body, index) => request({ body, headers: [`X-Request-Id: r${index}`] }));
    client.send(Buffer.concat(lines));
    const got = [];
    for (let i = 0; i < 4; i++) got.push(await client.answer());
    expect(got.map(({ headers }) => headers['x-request-id'])).toEqual(['r0', 'r1', 'r2', 'r3']);
    expect(got.map(({ headers }) => headers['content-type']!.split(';')[0])).toContain('text/event-stream');
    expect(client.received).toBe('');
  });

  test('a thousand of them are answered in order, those beyond the queue with a refusal', async () => {
    using client = await connectRaw(door.port);
    const all = Array.from({ length: 1_000 }, (_, index) => request({ body: CHAT, headers: [`X-Request-Id: r${index}`] }));
    client.send(Buffer.concat(all));
    for (let i = 0; i < 1_000; i++) {
      const answer = await client.answer();
      expect(answer.headers['x-request-id']).toBe(`r${i}`);
      if (answer.status !== 200) expectRefusal(answer, 'queue_full');
    }
  });

  test('when their client leaves, all of them are given up', async () => {
    door.worker.script = answers.silence();
    using client = await connectRaw(door.port);
    client.send(Buffer.concat(Array.from({ length: 5 }, () => request({ body: CHAT }))));
    await until(() => door.worker.requests.length === 5, 'the worker has all five');
    client.socket.destroy();
    await until(() => door.worker.requests.every(({ closed }) => closed), 'the worker is freed of all five');
    await until(() => door.gateway.gateway.figures.inFlight() === 0, 'nothing in flight');
  });

  test('an answer that waits behind a slow one is not lost, nor is its place', async () => {
    let release = (): void => {};
    door.worker.script = (asked, response) => {
      if (release.length === 0 && door.worker.requests.length === 1) release = () => answers.completion('first')(asked, response);
      else answers.stream(Array.from({ length: 200 }, (_, index) => `${index} `))(asked, response);
    };
    using client = await connectRaw(door.port);
    client.send(request({ body: CHAT }));
    await until(() => door.worker.requests.length === 1, 'the worker has the first');
    client.send(request({ body: STREAM }));
    await until(() => door.worker.requests.length === 2, 'the worker has the second');
    release();
    expect((await client.answer()).body).toContain('first');
    const { body } = await client.answer();
    expect([...body.matchAll(/"content":"(\d+) "/g)].map((match) => Number(match[1]))).toEqual(
      Array.from({ length: 200 }, (_, index) => index),
    );
  });
});

describe('case 21: clients that leave', () => {
  test.each([
    ['while the worker thinks', answers.silence(), CHAT],
    [
      'in the middle of a stream',
      answers.stream(
        Array.from({ length: 1_000 }, () => 'x'),
        10,
      ),
      STREAM,
    ],
  ])('%s: the worker is freed', async (_name, script, body) => {
    door.worker.script = script;
    for (const leave of ['destroy', 'resetAndDestroy', 'end'] as const) {
      const before = door.worker.requests.length;
      using client = await connectRaw(door.port);
      client.send(request({ body }));
      await until(() => door.worker.requests.length > before, 'the worker has it');
      if (body === STREAM) await until(() => client.received.includes('"content":"x"'), 'the stream flows');
      client.socket[leave]();
      await until(() => door.worker.requests[before]!.closed, 'the worker is freed');
      await until(() => door.gateway.gateway.figures.inFlight() === 0, 'nothing in flight');
    }
    const ends = door.gateway.log.filter(({ event: name }) => name === 'request.end').slice(-3);
    expect(ends.map(({ outcome, status }) => ({ outcome, status }))).toEqual(Array(3).fill({ outcome: 'disconnected', status: 499 }));
  });
});

test('case 21: a client that leaves the queue leaves no gap, and never reaches the worker', async () => {
  await using worker = await startFakeVllm();
  worker.script = answers.silence();
  await using gateway = await startTestGateway([], { workers: [{ url: worker.url, max_num_seqs: 1 }], admission: { headroom: 0 } });
  await gateway.gateway.firstReady;
  const { figures } = gateway.gateway;
  using first = await connectRaw(gateway.port);
  first.send(request({ body: CHAT }));
  await until(() => worker.requests.length === 1, 'the worker has the first');
  using second = await connectRaw(gateway.port);
  second.send(request({ body: CHAT }));
  await until(() => figures.queueDepth('interactive') === 1, 'the second waits');
  second.socket.destroy();
  await until(() => figures.queueDepth('interactive') === 0 && figures.inFlight() === 1, 'the second has left');
  first.socket.destroy();
  await until(() => figures.inFlight() === 0, 'nothing in flight');
  expect(worker.requests).toHaveLength(1);
});

test('case 21: a client that leaves in the window is not sent with the others', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { batch_window: { window_ms: 1_000, max_batch_size: 2 } });
  await gateway.gateway.firstReady;
  const { figures } = gateway.gateway;
  using gone = await connectRaw(gateway.port);
  gone.send(request({ body: CHAT }));
  await until(() => figures.windowPending() === 1, 'it is held');
  gone.socket.destroy();
  await until(() => figures.windowPending() === 0 && figures.inFlight() === 0, 'it has left');
  const stayed = await Promise.all([ask(gateway.port, request({ body: CHAT })), ask(gateway.port, request({ body: CHAT }))]);
  expect(stayed.map(({ status }) => status)).toEqual([200, 200]);
  expect(worker.requests).toHaveLength(2);
});

describe('case 22: clients that do not read', () => {
  /** Sends numbered events for as long as it is not held back, up to `count`, then ends the stream. */
  const flood =
    (count: number, sent: { events: number }): Script =>
    (_asked, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = (): void => {
        while (sent.events < count) {
          if (response.destroyed) return;
          if (!response.write(event(`${sent.events++}-${PADDING}`))) return void response.once('drain', more);
        }
        response.write(event('end', 'stop'));
        response.end('data: [DONE]\n\n');
      };
      more();
    };

  test('hold back their own worker, not the memory of the gateway, and are cut after the idle time', async () => {
    const sent = { events: 0 };
    door.worker.script = flood(100_000, sent);
    using client = await connectRaw(door.port);
    client.socket.pause();
    client.send(request({ body: STREAM }));
    let before = -1;
    await until(() => {
      const still = sent.events === before;
      before = sent.events;
      return still && before > 0;
    }, 'the worker is held back');
    // The buffers of four sockets, and no more.
    expect(sent.events * PADDING.length).toBeLessThan(50_000_000);
    // Others are served meanwhile.
    door.worker.script = answers.completion();
    expect((await door.chat(CHAT)).status).toBe(200);
    await until(() => door.worker.requests[0]!.closed, 'the worker is freed');
    expect(sent.events).toBeLessThan(100_000);
    await until(() => door.gateway.gateway.figures.inFlight() === 0, 'nothing in flight');
  });

  test('a client that pauses for less than that loses nothing', async () => {
    const count = 5_000;
    const sent = { events: 0 };
    door.worker.script = flood(count, sent);
    using client = await connectRaw(door.port);
    client.socket.pause();
    client.send(request({ body: STREAM, headers: ['Connection: close'] }));
    await until(() => sent.events > 100, 'the stream flows');
    client.socket.resume();
    await client.ended;
    const { body } = await client.answer();
    const numbers = [...body.matchAll(/"content":"(\d+)-/g)].map((match) => Number(match[1]));
    expect(numbers).toHaveLength(count);
    expect(numbers.every((number, index) => number === index)).toBe(true);
    expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
  });
});
