import { afterEach, expect, test } from 'vitest';
import { answers, type FakeVllm, startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, type TestGateway } from '../support/gateway.ts';
import { ask, chat, errorAtEnd, errorOf } from './asking.ts';

// A limit ends what is stuck. What is slow is told apart by the worker's own count of tokens.

const TOTAL_MS = 3_000;
let worker: FakeVllm;
let gateway: TestGateway;
let counting: NodeJS.Timeout | undefined;

async function house(): Promise<void> {
  worker = await startFakeVllm();
  worker.metrics = { num_requests_running: 1, generation_tokens_total: 0 };
  gateway = await startTestGateway([worker.url], {
    timeouts: { first_token_ms: TOTAL_MS, idle_ms: TOTAL_MS, request_total_ms: TOTAL_MS, stream_total_ms: TOTAL_MS },
    pressure: { scrape_interval_ms: 100 },
    retry: { max_attempts: 1 },
  });
  await gateway.gateway.firstReady;
}

function count(): void {
  counting = setInterval(() => worker.metrics['generation_tokens_total']!++, 20);
}

afterEach(async () => {
  clearInterval(counting);
  await gateway.stop();
  await worker[Symbol.asyncDispose]();
});

test.each([false, true])(
  'an answer (stream: %s) that takes twice as long as it may is whole, where the worker counts on',
  async (stream) => {
    await house();
    count();
    const script = stream ? answers.stream() : answers.completion();
    worker.script = (request, response) => setTimeout(() => script(request, response), 2 * TOTAL_MS);
    const response = await ask(gateway.url, chat({ stream }));
    expect(response.status).toBe(200);
    expect(await response.text()).toContain(stream ? 'data: [DONE]' : 'Hello');
  },
);

test('a pause in the middle of a stream is none, where the worker counts on', async () => {
  await house();
  count();
  worker.script = answers.stream(['Hel', 'lo'], 2 * TOTAL_MS);
  const text = await (await ask(gateway.url, chat({ stream: true }))).text();
  expect(text).toContain('data: [DONE]');
});

test('where the count stands still the limit holds, and the answer names it', async () => {
  await house();
  worker.script = answers.silence();
  const whole = await ask(gateway.url, chat());
  expect(whole.status).toBe(504);
  expect((await errorOf(whole)).message).toContain('timeouts.request_total_ms');
  worker.script = answers.stream(['Hel', 'lo'], 60_000);
  const { message } = errorAtEnd(await (await ask(gateway.url, chat({ stream: true }))).text());
  expect(message).toMatch(/timeouts\.(idle|stream_total)_ms/);
});
