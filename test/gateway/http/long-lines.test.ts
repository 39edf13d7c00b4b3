import { afterAll, beforeAll, expect, test } from 'vitest';
import { event } from '../../support/fake-vllm.ts';
import { startTestGateway, until, type TestGateway } from '../../support/gateway.ts';
import { chunk, LAST_CHUNK, startRawWorker, STREAM_HEAD, type RawWorker } from './raw-worker.ts';

// How long an event gets is up to what was asked for: a line that is too long to be held goes on as it comes.

let worker: RawWorker;
let gateway: TestGateway;
beforeAll(async () => {
  worker = await startRawWorker();
  gateway = await startTestGateway([worker.url], {
    // Failures are what this is about: they must not keep the worker from being asked.
    circuit_breaker: { failures: 1_000, min_requests: 1_000 },
    retry: { max_attempts: 1 },
    stream: { keep_alive_ms: 1 },
  });
  await gateway.gateway.firstReady;
});
afterAll(async () => {
  await gateway.stop();
  await worker[Symbol.asyncDispose]();
});

async function stream(): Promise<string> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"model":"m","stream":true,"messages":[]}' };
  const answer = await fetch(`${gateway.url}/v1/chat/completions`, init);
  expect(answer.status).toBe(200);
  return await answer.text();
}

/** Without the comments that may come wherever an event has ended. */
function plain(text: string): string {
  return text.replaceAll(/(?<=^|\n\n): keep-alive\n\n/g, '');
}

function failures(): number {
  return gateway.log.filter(({ event: name, outcome }) => name === 'attempt' && outcome === 'failure').length;
}

const FIRST = event('first');
const LENGTH = 20_000_000;
const LINE = `data: ${'x'.repeat(LENGTH)}`;
const inPieces = (bytes: number): Buffer =>
  Buffer.concat([chunk('data: '), ...Array<Buffer>(LENGTH / bytes).fill(chunk('x'.repeat(bytes)))]);

test.each<[string, Buffer]>([
  ['one chunk', chunk(LINE)],
  ['one chunk that is not whole', Buffer.from(`${(2 * LENGTH).toString(16)}\r\n${LINE}`)],
  ['many chunks', inPieces(1_000)],
  ['many small chunks', inPieces(50)],
])('a line of 20 MB in %s that never ends is passed on, and the error after it is an event of its own', async (_name, bytes) => {
  const before = failures();
  worker.say = (socket) => void socket.end(Buffer.concat([Buffer.from(STREAM_HEAD), chunk(FIRST), bytes]));
  const text = plain(await stream());
  // As numbers and not as texts: nobody wants to read all of them where they differ.
  expect(text.startsWith(`${FIRST}${LINE}\n\n`)).toBe(true);
  expect(text.slice(FIRST.length + LINE.length + 2)).toMatch(/^data: \{"error":\{.*"code":"upstream_disconnected"\}\}\n\n$/);
  await until(() => failures() > before, 'the failure is booked');
  expect(failures()).toBe(before + 1);
});

test('no comment gets into a line whose end keeps the client waiting', async () => {
  const before = failures();
  const rest = `${'y'.repeat(10)}\n\n${event('last', 'stop')}data: [DONE]\n\n`;
  worker.say = (socket) => {
    socket.write(Buffer.concat([Buffer.from(STREAM_HEAD), chunk(FIRST), chunk(LINE)]));
    // The client has been waiting for hundreds of comments by then.
    setTimeout(() => void socket.write(Buffer.concat([chunk(rest), Buffer.from(LAST_CHUNK)])), 300);
  };
  const text = plain(await stream());
  expect(text.startsWith(FIRST + LINE)).toBe(true);
  expect(text.slice(FIRST.length + LINE.length)).toBe(rest);
  expect(failures()).toBe(before);
});
