import { expect, test } from 'vitest';
import { answers, event, startFakeVllm, type Script } from '../support/fake-vllm.ts';
import { startTestGateway, until } from '../support/gateway.ts';
import { ask, chat, dataOf } from './asking.ts';
import { endsOf, settled, statsOf } from './settled.ts';
import { seededRandom } from '../support/seeded-random.ts';

const CALLS = 400;
const DONE = 'data: [DONE]\n\n';

/** Ways of a worker, good and bad. Which one a request meets is drawn anew each time. */
const WAYS: readonly Script[] = [
  answers.completion(),
  answers.completion(),
  answers.stream(['a', 'b', 'c'], 2),
  answers.stream(['a', 'b', 'c']),
  answers.silence(),
  answers.error(500, 'oops', 'text/plain'),
  answers.error(503, { error: 'scaling' }),
  answers.error(400, { error: { message: 'no', type: 'BadRequestError', param: null, code: 400 } }),
  answers.error(200, '<html>', 'text/html'),
  answers.error(200, '{"half":'),
  (_request, response) => void response.socket?.resetAndDestroy(),
  (_request, response) => void response.socket?.end('HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{'),
  (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).write(event('a')),
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event('a'), () => setTimeout(() => response.socket?.resetAndDestroy(), 5));
  },
  (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`${event('a')}data: {"error": {"message": "boom", "code": 500}}\n\n${DONE}`);
  },
];

test('whatever workers and clients do, every call ends once, and nothing is left of it', async () => {
  const random = seededRandom(20_261_120);
  const draw = <Item>(items: readonly Item[]): Item => items[Math.floor(random.next() * items.length)]!;
  await using first = await startFakeVllm();
  await using second = await startFakeVllm();
  await using third = await startFakeVllm();
  const workers = [first, second, third];
  for (const worker of workers) worker.script = (request, response) => draw(WAYS)(request, response);
  await using gateway = await startTestGateway([], {
    workers: workers.map(({ url }) => ({ url, max_num_seqs: 4 })),
    admission: { max_queue: 20, queue_timeout_ms: 60 },
    batch_window: { window_ms: 5, max_batch_size: 4 },
    // Long enough for a busy machine to let some through, and short enough to end those that say nothing.
    timeouts: { first_token_ms: 150, idle_ms: 150, request_total_ms: 600, stream_total_ms: 900 },
    stream: { keep_alive_ms: 15 },
    circuit_breaker: { failures: 20, failure_rate: 0.95, open_ms: 20 },
  });
  await until(async () => (await statsOf(gateway)).workers.every(({ state }) => state === 'ready'), 'all workers ready');

  /** What became of a call, held to what may become of one. */
  async function call(i: number): Promise<string> {
    const stream = random.next() < 0.6;
    const leaving = new AbortController();
    if (random.next() < 0.3) setTimeout(() => leaving.abort(), random.next() * 80);
    const priority = draw(['interactive', 'batch']);
    try {
      const headers = { 'x-request-id': `call-${i}`, 'x-headgate-priority': priority };
      const response = await ask(gateway.url, chat({ stream, seed: i }), { headers, signal: leaving.signal });
      const text = await response.text();
      if (response.status !== 200) {
        expect(JSON.parse(text)).toEqual({
          error: { message: expect.any(String), type: expect.any(String), param: null, code: expect.any(String) },
        });
        return String(response.status);
      }
      if (!stream) {
        expect(JSON.parse(text)).toMatchObject({ object: 'chat.completion' });
        return 'answer';
      }
      // The end of a stream is told once: done, or why not.
      const ends = dataOf(text).filter((data) => data === '[DONE]' || data.startsWith('{"error"'));
      expect(ends).toHaveLength(1);
      expect(dataOf(text).at(-1)).toBe(ends[0]);
      return ends[0] === '[DONE]' ? 'stream' : 'broken stream';
    } catch (error) {
      if (leaving.signal.aborted) return 'left';
      throw error;
    }
  }

  const calls: Promise<string>[] = [];
  for (let i = 0; i < CALLS; i++) {
    calls.push(call(i));
    if (random.next() < 0.3) await new Promise((resolve) => setTimeout(resolve, random.next() * 8));
  }
  const outcomes = await Promise.all(calls);
  // Without these the test would show little.
  for (const outcome of ['answer', 'stream', 'broken stream', 'left', '400', '502', '503']) expect(outcomes).toContain(outcome);

  await settled(gateway);
  const ends = outcomes.map((outcome, i) => ({ outcome, ends: endsOf(gateway, `call-${i}`).length }));
  // Who leaves before it is connected, as on a busy machine, never came.
  expect(ends.filter((call) => call.ends !== 1 && !(call.outcome === 'left' && call.ends === 0))).toEqual([]);
  const came = ends.filter((call) => call.ends === 1);
  expect(came.some(({ outcome }) => outcome === 'left')).toBe(true);
  await until(() => workers.every(({ requests }) => requests.every(({ closed }) => closed)), 'every worker freed of every request');
  expect(gateway.log.filter(({ event: name }) => name === 'internal.error' || name === 'telemetry')).toEqual([]);
  const page = await (await fetch(`${gateway.url}/metrics`)).text();
  expect(page).toMatch(/^headgate_requests_in_flight 0$/m);
  const counted = [...page.matchAll(/^headgate_requests_total\{route="\/v1\/chat\/completions",.*\} (\d+)$/gm)];
  expect(counted.reduce((sum, [, count]) => sum + Number(count), 0)).toBe(came.length);

  // It serves as if nothing had happened.
  for (const worker of workers) worker.script = answers.completion();
  await until(async () => (await ask(gateway.url, chat())).status === 200, 'an answer after all that');
  await settled(gateway);
}, 180_000);
