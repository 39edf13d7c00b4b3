import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../../gateway/core/errors.ts';
import type { Outcome } from '../../../../gateway/core/reply.ts';
import { callOf, createScene, MODEL, SECRETS, type Story } from './scene.ts';

const COMPLETE: Outcome = { kind: 'complete', status: 200 };

/** Arrived at 1000, waited 30 in the queue and 20 in the window, sent at 1055, first byte at 1255, last at 3155; 39 tokens. */
const STREAMED: Story = {
  phase: 'done',
  queueMs: 30,
  windowMs: 20,
  attempts: 1,
  worker: 'w0',
  sentAt: 1055,
  firstByteAt: 1255,
  lastByteAt: 3155,
  inputTokens: 12,
  outputTokens: 39,
  cachedTokens: 8,
  chunks: 39,
  bytesOut: 9000,
  finishReason: 'stop',
};

async function ended(story: Story, outcome: Outcome, status: number, more: Parameters<typeof callOf>[1] = {}) {
  const scene = createScene();
  await scene.clock.advance(2160);
  scene.events.requestEnded(callOf(story, more), outcome, status);
  return { ...scene, line: scene.lines('request.end')[0]!, page: await scene.samples() };
}

describe('the end of a request', () => {
  it('is one line with the whole story of a stream', async () => {
    const { line, lines } = await ended(STREAMED, COMPLETE, 200);
    expect(lines('request.end')).toHaveLength(1);
    expect(line).toEqual({
      level: 'info',
      time: '2026-01-01T00:00:02.160Z',
      event: 'request.end',
      msg: 'request complete',
      request_id: 'req-1',
      method: 'POST',
      route: '/v1/chat/completions',
      model: MODEL,
      status: 200,
      outcome: 'complete',
      stream: true,
      worker: 'w0',
      attempts: 1,
      queue_ms: 30,
      window_ms: 20,
      ttft_ms: 255,
      duration_ms: 2160,
      input_tokens: 12,
      output_tokens: 39,
      cached_tokens: 8,
      bytes_out: 9000,
      finish_reason: 'stop',
      priority: 'interactive',
    });
  });

  it('says where a stream went on at another worker, and has the first token of the first one', async () => {
    const resume = { times: 1, refused: null, firstByteAt: 1155, gaps: [] };
    const { line, page } = await ended({ ...STREAMED, attempts: 2, resume }, COMPLETE, 200);
    expect(line).toMatchObject({ resumes: 1, ttft_ms: 155, attempts: 2 });
    expect(page[`time_to_first_token_seconds_sum{model="${MODEL}"}`]).toBeCloseTo(0.155);
    expect(page[`time_per_output_token_seconds_sum{model="${MODEL}"}`]).toBeCloseTo(2 / 38);
    expect(page[`output_tokens_per_second_count{model="${MODEL}"}`] ?? 0).toBe(0);
  });

  it('says why a stream did not go on', async () => {
    const resume = { times: 0, refused: 'tools', firstByteAt: null, gaps: [] };
    const { line } = await ended({ ...STREAMED, resume }, COMPLETE, 200);
    expect(line).toMatchObject({ resumes: 0, not_resumed: 'tools' });
  });

  it('counts the request, its time, its sizes and its tokens', async () => {
    const { page, metrics } = await ended(STREAMED, COMPLETE, 200);
    expect(page[`requests_total{route="/v1/chat/completions",method="POST",code="200",model="${MODEL}",outcome="complete"}`]).toBe(1);
    expect(page[`request_duration_seconds_sum{route="/v1/chat/completions",model="${MODEL}"}`]).toBeCloseTo(2.16);
    expect(page['response_size_bytes_sum']).toBe(9000);
    expect(page['request_size_bytes_sum']).toBeGreaterThan(50);
    expect(page[`input_tokens_total{model="${MODEL}"}`]).toBe(12);
    expect(page[`output_tokens_total{model="${MODEL}"}`]).toBe(39);
    expect(page[`cached_input_tokens_total{model="${MODEL}"}`]).toBe(8);
    expect(metrics.ledger).toMatchObject({ inputTokens: 12, outputTokens: 39, cachedTokens: 8 });
  });

  it('counts about as many prompt tokens as its length says for a stream that was left before its worker told them', async () => {
    const scene = createScene();
    const peek = { ...callOf().peek, promptChars: 400 };
    for (let i = 0; i < 6; i++) scene.events.requestEnded(callOf({ ...STREAMED, inputTokens: 101 }, { peek }), COMPLETE, 200);
    const before = scene.metrics.ledger.inputTokens;
    const left = { kind: 'disconnected', phase: 'stream' } as const;
    scene.events.requestEnded(callOf({ ...STREAMED, inputTokens: null, outputTokens: null, chunks: 3 }, { peek }), left, 499);
    expect(scene.metrics.ledger.inputTokens - before).toBe(101);
    // Of one that had said nothing it is not known whether the prompt was read.
    scene.events.requestEnded(callOf({ ...STREAMED, inputTokens: null, outputTokens: null, chunks: 0 }, { peek }), left, 499);
    expect(scene.metrics.ledger.inputTokens - before).toBe(101);
  });

  it('counts as many tokens in the events of a stream that was left as those before it had', async () => {
    const { events, metrics } = createScene();
    const left = { kind: 'disconnected', phase: 'stream' } as const;
    const leave = (): number => {
      const before = metrics.ledger.outputTokens;
      const peek = { ...callOf({}).peek, maxTokens: null };
      events.requestEnded(callOf({ ...STREAMED, outputTokens: null, chunks: 100 }, { peek }), left, 499);
      return metrics.ledger.outputTokens - before;
    };
    expect(leave()).toBe(100);
    for (let i = 0; i < 10; i++) events.requestEnded(callOf({ ...STREAMED, chunks: 10, outputTokens: 50 }), COMPLETE, 200);
    expect(leave()).toBe(500);
  });

  it('measures the first token from arrival, the later ones from the first, and the speed from sending', async () => {
    const { page } = await ended(STREAMED, COMPLETE, 200);
    expect(page[`time_to_first_token_seconds_sum{model="${MODEL}"}`]).toBeCloseTo(0.255);
    expect(page[`time_per_output_token_seconds_sum{model="${MODEL}"}`]).toBeCloseTo(1.9 / 38);
    expect(page[`output_tokens_per_second_sum{model="${MODEL}"}`]).toBeCloseTo(39 / 2.1);
  });

  it('shares the tokens between the choices when it measures the time for one', async () => {
    const peek = { ...callOf().peek, choices: 3 };
    const { page } = await ended(STREAMED, COMPLETE, 200, { peek });
    expect(page[`time_per_output_token_seconds_sum{model="${MODEL}"}`]).toBeCloseTo(1.9 / 12);
  });

  it('leaves waiting and the worker out of the overhead', async () => {
    const { page } = await ended(STREAMED, COMPLETE, 200);
    // 55 ms to sending, of which 50 were waiting, and 5 ms after the last byte.
    expect(page['overhead_seconds_sum']).toBeCloseTo(0.01);
    expect(page['overhead_seconds_count']).toBe(1);
  });

  it('tells no overhead of a request that was tried twice, for part of that time was the first worker', async () => {
    const { page } = await ended({ ...STREAMED, attempts: 2 }, COMPLETE, 200);
    expect(page['overhead_seconds_count']).toBe(0);
  });

  it('counts events of the stream where the worker sent no usage', async () => {
    const { page, line } = await ended({ ...STREAMED, outputTokens: null, chunks: 7 }, COMPLETE, 200);
    expect(page[`output_tokens_total{model="${MODEL}"}`]).toBe(7);
    expect(line['output_tokens']).toBe(7);
  });

  it('tells no time to first token of an answer that was not streamed', async () => {
    const peek = { ...callOf().peek, stream: false };
    const { page, line } = await ended(STREAMED, COMPLETE, 200, { peek });
    expect(Object.keys(page).filter((name) => name.startsWith('time_'))).toEqual([]);
    expect(line).not.toHaveProperty('ttft_ms');
    expect(page[`output_tokens_per_second_count{model="${MODEL}"}`]).toBe(1);
  });

  it('tells none of a call that the worker refused in the stream: it got no token', async () => {
    const { page, line } = await ended(STREAMED, { kind: 'refused', error: new GatewayError('invalid_value', 'no such grammar') }, 400);
    expect(Object.keys(page).filter((name) => name.startsWith('time_to'))).toEqual([]);
    expect(line).not.toHaveProperty('ttft_ms');
  });

  it('books a model that the directory does not know as unknown', async () => {
    const { page } = await ended(STREAMED, COMPLETE, 200, { model: 'made-up' });
    expect(page['output_tokens_total{model="unknown"}']).toBe(39);
    expect(Object.keys(page).join()).not.toContain('made-up');
  });

  it.each<[string, Outcome, number, string, object]>([
    ['a 5xx of the worker', { kind: 'complete', status: 500 }, 500, 'warn', { outcome: 'complete' }],
    [
      'a full queue',
      { kind: 'refused', error: new GatewayError('queue_full', 'full') },
      503,
      'warn',
      { outcome: 'refused', code: 'server_is_overloaded', reason: 'queue_full' },
    ],
    [
      "the client's own mistake",
      { kind: 'refused', error: new GatewayError('model_not_found', 'no such model') },
      404,
      'info',
      { outcome: 'refused', code: 'model_not_found', reason: 'client_error' },
    ],
    [
      "a worker's 4xx with a code of its own",
      { kind: 'refused', error: new GatewayError('invalid_value', 'no', { code: 'context_length_exceeded', status: 400 }) },
      400,
      'info',
      { code: 'context_length_exceeded' },
    ],
    [
      'a broken stream',
      { kind: 'broken', error: new GatewayError('upstream_disconnected', 'gone') },
      200,
      'warn',
      { outcome: 'broken', code: 'upstream_disconnected', reason: 'upstream' },
    ],
    ['a client that left', { kind: 'disconnected', phase: 'queue' }, 499, 'info', { outcome: 'disconnected', phase: 'queue', status: 499 }],
    ['a fault of our own', { kind: 'refused', error: new GatewayError('internal', 'oh') }, 500, 'error', { reason: 'internal' }],
  ])('is told at the right level: %s', async (_, outcome, status, level, fields) => {
    const { line } = await ended({}, outcome, status);
    expect(line).toMatchObject({ level, status, ...fields });
  });

  it.each<[what: string, Outcome, status: number, level: string]>([
    ['has its answer', COMPLETE, 200, 'debug'],
    ['is over a limit for now', { kind: 'refused', error: new GatewayError('rate_limited', 'later', { retryAfterMs: 1 }) }, 429, 'debug'],
    ['finds the queue full', { kind: 'refused', error: new GatewayError('queue_full', 'later') }, 503, 'debug'],
    ['finds no worker', { kind: 'refused', error: new GatewayError('breaker_open', 'later') }, 503, 'debug'],
    ['is taken back', { kind: 'disconnected', phase: 'upstream' }, 499, 'debug'],
    ['is larger than the limit', { kind: 'refused', error: new GatewayError('rate_limited', 'no', { hopeless: true }) }, 429, 'debug'],
    ['is refused by its worker', { kind: 'complete', status: 400 }, 400, 'debug'],
    ['is failed by its worker', { kind: 'refused', error: new GatewayError('upstream_error', 'oh') }, 502, 'debug'],
    ['meets a fault of ours', { kind: 'refused', error: new GatewayError('internal', 'oh') }, 500, 'error'],
  ])('of a line of a batch is told to everybody only where we are at fault: one that %s', async (_, outcome, status, level) => {
    const { line } = await ended({}, outcome, status, { isLine: true, priority: 'batch' });
    expect(line).toMatchObject({ level, status, priority: 'batch' });
  });

  it('does not take a line that is taken back for a client that left, nor tell everybody that there is no room for one', async () => {
    const scene = createScene();
    scene.events.requestEnded(callOf({}, { isLine: true }), { kind: 'disconnected', phase: 'upstream' }, 499);
    expect(await scene.counted('client_disconnects_total')).toEqual({});
    scene.events.rejected(callOf({}, { isLine: true }), 'queue_full');
    scene.events.rejected(callOf(), 'queue_full');
    expect(scene.lines('admission').map(({ level }) => level)).toEqual(['debug', 'info']);
  });

  it('counts a broken stream by reason and a client that left by phase', async () => {
    const scene = createScene();
    scene.events.requestEnded(callOf(STREAMED), { kind: 'broken', error: new GatewayError('upstream_timeout', 'slow') }, 200);
    scene.events.requestEnded(callOf(), { kind: 'disconnected', phase: 'window' }, 499);
    expect(await scene.samples('streams_broken_total')).toMatchObject({ 'streams_broken_total{reason="upstream_timeout"}': 1 });
    expect(await scene.samples('client_disconnects_total')).toMatchObject({
      'client_disconnects_total{phase="window"}': 1,
      'client_disconnects_total{phase="queue"}': 0,
    });
  });

  it('says where a fault of our own happened, and nothing of what the request said', async () => {
    let cause: unknown;
    try {
      JSON.parse(`${SECRETS.prompt} {`);
    } catch (error) {
      cause = error;
    }
    expect(String(cause)).toContain(SECRETS.prompt.slice(0, 5));
    const error = new GatewayError('internal', SECRETS.completion, { cause });
    const { line, text } = await ended(STREAMED, { kind: 'refused', error }, 500);
    expect(line['error_name']).toBe('SyntaxError');
    expect(line['stack']).toMatch(/^at JSON\.parse/);
    expect(text()).not.toContain(SECRETS.prompt.slice(0, 5));
    expect(text()).not.toContain(SECRETS.completion);
  });

  it('names the system error under a failure of the worker, without its text', async () => {
    const cause = Object.assign(new Error(`connect ${SECRETS.key}`), { code: 'ECONNREFUSED' });
    const inner = new GatewayError('upstream_disconnected', SECRETS.completion, { cause });
    const error = new GatewayError('upstream_error', SECRETS.completion, { cause: inner });
    const { line, text } = await ended({}, { kind: 'refused', error }, 502);
    expect(line).toMatchObject({ cause_code: 'ECONNREFUSED', error_name: 'Error' });
    expect(line).not.toHaveProperty('stack');
    expect(text()).not.toContain(SECRETS.key);
  });

  it('is still told when the books cannot take it', async () => {
    const scene = createScene();
    scene.events.requestEnded(callOf({ ...STREAMED, outputTokens: NaN }), COMPLETE, 200);
    expect(scene.lines('request.end')).toHaveLength(1);
    expect(scene.lines('telemetry')[0]).toMatchObject({ level: 'error', message: 'requestEnded' });
  });
});
