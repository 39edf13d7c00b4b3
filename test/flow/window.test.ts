import { expect, test } from 'vitest';
import { startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../support/gateway.ts';
import { ask, chat } from './asking.ts';
import { endOf, settled, statsOf } from './settled.ts';

const BURST = 6;
const GAP_MS = 3;
/** A machine that is busy elsewhere may spoil any one burst, so there are more of them until one is not. */
const LIMIT_MS = 40_000;

interface Burst {
  /** Milliseconds from the first to the last, as sent and as they came to the workers. */
  readonly sentSpreadMs: number;
  readonly arrivedSpreadMs: number;
  readonly windowMs: readonly number[];
  readonly batches: readonly number[];
}

function spread(times: readonly number[]): number {
  return Math.max(...times) - Math.min(...times);
}

/** Sends calls a few milliseconds apart, as a crowd of clients would. */
async function burst(gateway: TestGateway, workers: readonly FakeVllm[]): Promise<Burst> {
  const seen = workers.map(({ requests }) => requests.length);
  const logged = gateway.log.length;
  const sentAt: number[] = [];
  const calls: Promise<Response>[] = [];
  for (let i = 0; i < BURST; i++) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, GAP_MS));
    sentAt.push(performance.now());
    calls.push(ask(gateway.url, chat({ seed: i })));
  }
  const answers = await Promise.all(calls);
  for (const answer of answers) expect(answer.status).toBe(200);
  await settled(gateway);
  const arrivedAt = workers.flatMap(({ requests }, at) => requests.slice(seen[at]).map(({ atMs }) => atMs));
  expect(arrivedAt).toHaveLength(BURST);
  return {
    sentSpreadMs: spread(sentAt),
    arrivedSpreadMs: spread(arrivedAt),
    windowMs: answers.map(({ headers }) => Number(headers.get('x-headgate-window-ms'))),
    batches: gateway.log
      .slice(logged)
      .filter(({ event }) => event === 'batch')
      .map((line) => Number(line['batch_size'])),
  };
}

test.each([20, 50])(
  'a window of %i ms: a burst that was sent over 15 ms reaches the workers together',
  async (windowMs) => {
    await using first = await startFakeVllm();
    await using second = await startFakeVllm();
    await using gateway = await startTestGateway([first.url, second.url], { batch_window: { window_ms: windowMs } });
    await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'both workers ready');
    let together: Burst | null = null;
    const end = Date.now() + LIMIT_MS;
    while (together === null && Date.now() < end) {
      const logged = gateway.log.length;
      const one = await burst(gateway, [first, second]);
      // Whatever the machine was doing, nothing is lost, nothing is held twice, and what leaves together is sent together.
      expect(one.batches.reduce((sum, size) => sum + size, 0)).toBe(BURST);
      const lines = gateway.log.slice(logged);
      for (const [at, line] of lines.entries()) {
        if (line['event'] !== 'batch') continue;
        const size = Number(line['batch_size']);
        expect(lines.slice(at + 1, at + 1 + size).map(({ event }) => event)).toEqual(Array(size).fill('route'));
      }
      if (one.batches.length === 1 && one.arrivedSpreadMs < Math.min(one.sentSpreadMs / 2, windowMs)) together = one;
    }
    expect(together).not.toBeNull();
    expect(together!.sentSpreadMs).toBeGreaterThan(GAP_MS * (BURST - 2));
    // Whoever opened the window waited all of it, the others what was left.
    expect(Math.max(...together!.windowMs)).toBeGreaterThanOrEqual(windowMs - 1);
    expect(together!.windowMs.at(-1)).toBeLessThan(Math.max(...together!.windowMs));
    const { batcher } = (await (await fetch(`${gateway.url}/stats`)).json()) as { batcher: Record<string, unknown> };
    expect(batcher).toMatchObject({ pending_requests: 0, window_ms: { m: windowMs } });
  },
  60_000,
);

test('a window of 0 holds nothing: a burst comes as it was sent', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { batch_window: { window_ms: 0 } });
  await gateway.gateway.firstReady;
  const bursts: Burst[] = [];
  for (let round = 0; round < 3; round++) bursts.push(await burst(gateway, [worker]));
  expect(bursts.flatMap((one) => one.windowMs)).toEqual(Array(3 * BURST).fill(0));
  expect(bursts.flatMap((one) => one.batches)).toEqual([]);
  expect(Math.max(...bursts.map((one) => one.arrivedSpreadMs))).toBeGreaterThan(GAP_MS * 2);
});

test('a full batch leaves before its time', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { batch_window: { window_ms: 1_000, max_batch_size: 4 } });
  await gateway.gateway.firstReady;
  const { figures } = gateway.gateway;
  const calls = [0, 1, 2].map((seed) => ask(gateway.url, chat({ seed })));
  await until(() => figures.windowPending() === 3, 'three held calls');
  expect(worker.requests).toEqual([]);
  calls.push(ask(gateway.url, chat({ seed: 3 })));
  for (const call of calls) {
    const response = await call;
    expect(response.status).toBe(200);
    expect(Number(response.headers.get('x-headgate-window-ms'))).toBeLessThan(1_000);
  }
  expect(figures.batches()).toEqual({ requests: 4, batches: 1 });
  await settled(gateway);
});

test('models do not share a window', async () => {
  await using worker = await startFakeVllm(['m', 'n']);
  await using gateway = await startTestGateway([worker.url], { batch_window: { window_ms: 1_000, max_batch_size: 2 } });
  await gateway.gateway.firstReady;
  const { figures } = gateway.gateway;
  const calls = ['m', 'n'].map((model) => ask(gateway.url, chat({ model })));
  await until(() => figures.windowPending() === 2, 'two held calls, one a model');
  expect(worker.requests).toEqual([]);
  calls.push(ask(gateway.url, chat({ model: 'm' })), ask(gateway.url, chat({ model: 'n' })));
  for (const call of calls) expect((await call).status).toBe(200);
  expect(figures.batches()).toEqual({ requests: 4, batches: 2 });
  await settled(gateway);
});

test('a call that is aborted while it is held leaves no trace, and the others go on', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { batch_window: { window_ms: 1_000, max_batch_size: 3 } });
  await gateway.gateway.firstReady;
  const { figures } = gateway.gateway;
  const leaving = new AbortController();
  const gone = ask(gateway.url, chat({ seed: 0 }), { signal: leaving.signal, headers: { 'x-request-id': 'gone' } }).catch(
    (error: Error) => error.name,
  );
  await until(() => figures.windowPending() === 1, 'one held call');
  const stays = ask(gateway.url, chat({ seed: 1 }));
  await until(() => figures.windowPending() === 2, 'two held calls');
  leaving.abort();
  expect(await gone).toBe('AbortError');
  await until(() => figures.windowPending() === 1, 'one held call left');
  expect(await endOf(gateway, 'gone')).toMatchObject({ outcome: 'disconnected', phase: 'window', attempts: 0 });
  // It does not count towards a full batch either.
  const more = ask(gateway.url, chat({ seed: 2 }));
  await until(() => figures.windowPending() === 2, 'two held calls again');
  const last = ask(gateway.url, chat({ seed: 3 }));
  for (const call of [stays, more, last]) expect((await call).status).toBe(200);
  expect(worker.requests.map(({ body }) => (JSON.parse(body) as { seed: number }).seed)).toEqual([1, 2, 3]);
  expect(figures.batches()).toEqual({ requests: 3, batches: 1 });

  // The last one to leave closes the window behind it.
  const alone = new AbortController();
  const only = ask(gateway.url, chat({ seed: 4 }), { signal: alone.signal }).catch((error: Error) => error.name);
  await until(() => figures.windowPending() === 1, 'one held call');
  alone.abort();
  expect(await only).toBe('AbortError');
  await settled(gateway);
  expect(worker.requests).toHaveLength(3);
  expect(figures.batches()).toEqual({ requests: 3, batches: 1 });
});

test('a drain lets go what is held', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { batch_window: { window_ms: 1_000 }, shutdown: { grace_ms: 20_000 } });
  await gateway.gateway.firstReady;
  const held = ask(gateway.url, chat());
  await until(() => gateway.gateway.figures.windowPending() === 1, 'one held call');
  await gateway.stop();
  const response = await held;
  expect(response.status).toBe(200);
  expect(Number(response.headers.get('x-headgate-window-ms'))).toBeLessThan(1_000);
  expect(worker.requests).toHaveLength(1);
});
