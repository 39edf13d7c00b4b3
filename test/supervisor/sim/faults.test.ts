import { describe, expect, test } from 'vitest';
import { rawJson, rawRequest } from '../../support/raw-http.ts';
import { serveInside, startInside } from '../../support/sim-inside.ts';

const CHAT_PATH = '/v1/chat/completions';
const LONG_STREAM = { messages: [{ role: 'user', content: 'tell me everything' }], max_tokens: 30_000, ignore_eos: true, stream: true };
/** Slow enough that a test can tell the pace of one stream from that of another. */
const UNHURRIED = { SIM_SPEED: '0.2' };

describe('a fault at start', () => {
  test.each([
    [
      'oom-weights',
      'Starting to load model',
      /Failed to load model - not enough GPU memory[\s\S]*torch\.OutOfMemoryError: CUDA out of memory\. Tried to allocate/,
      'Model loading took',
    ],
    ['oom-kv', 'Model loading took', /Available KV cache memory: -[\s\S]*No available memory for the cache blocks\./, 'GPU KV cache size'],
    ['oom-graph', 'Capturing CUDA graphs', /torch\.OutOfMemoryError: CUDA out of memory/, 'Graph capturing finished'],
    [
      'busy-vram',
      'Initializing a V1 LLM engine',
      /Free memory on device cuda:0 \([\d.]+\/[\d.]+ GiB\) on startup is less than desired GPU memory utilization/,
      'Starting to load model',
    ],
    ['host-oom', 'Starting to load model', /Failed core proc\(s\): \{\}/, 'Model loading took'],
    ['config-error', 'non-default args', /is not a local folder and is not a valid model identifier/, 'Resolved architecture'],
  ])('%s fails after "%s" with the exit code 1', async (fault, before, words, never) => {
    const start = await startInside({ env: { SIM_FAULT: fault } });
    expect(start.exitCode).toBe(1);
    expect(start.output()).toContain(before);
    expect(start.output()).toMatch(words);
    expect(start.output()).not.toContain(never);
  });

  test('a request fault at start strikes every request', async () => {
    await using sim = await serveInside({ env: { SIM_FAULT: 'error-500' } });
    for (let i = 0; i < 3; i++) expect((await rawJson(sim.port, CHAT_PATH, { messages: LONG_STREAM.messages })).status).toBe(500);
  });
});

describe('a live fault', () => {
  test('hang stops the tokens while /health says 200, until it is taken away', async () => {
    await using sim = await serveInside({ env: UNHURRIED });
    await sim.fault({ fault: 'hang', after_tokens: 3 });
    const ended = rawJson(sim.port, CHAT_PATH, { ...LONG_STREAM, max_tokens: 40 });
    const generated = async (): Promise<string> => {
      const page = (await rawRequest({ port: sim.port, path: '/metrics' })).body;
      return /generation_tokens_total\{[^}]*\} (\S+)/.exec(page)![1]!;
    };
    await expect.poll(generated).toBe('3.0');
    const winner = await Promise.race([
      ended.then(() => 'ended'),
      rawRequest({ port: sim.port, path: '/health' }).then(({ status }) => status),
    ]);
    expect(winner).toBe(200);
    expect(await generated()).toBe('3.0');
    await sim.fault({ fault: 'none' });
    expect((await ended).body).toContain('"finish_reason":"length"');
    expect(await generated()).toBe('40.0');
  });

  test('reset cuts the connection in the middle of a stream', async () => {
    await using sim = await serveInside();
    await sim.fault({ fault: 'reset', after_tokens: 2 });
    const answer = await rawJson(sim.port, CHAT_PATH, LONG_STREAM);
    expect(answer.ending).toBe('reset');
    expect(answer.body).toContain('"content":"This"');
    expect(answer.body).not.toContain('[DONE]');
  });

  test('html is a 200 that is no answer, for as many requests as were asked for', async () => {
    await using sim = await serveInside();
    await sim.fault({ fault: 'html', count: 2 });
    const body = { messages: LONG_STREAM.messages, max_tokens: 1 };
    const kinds: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++)
      kinds.push((await rawJson(sim.port, CHAT_PATH, body)).headers.find(([name]) => name === 'content-type')?.[1]);
    expect(kinds).toEqual(['text/html; charset=utf-8', 'text/html; charset=utf-8', 'application/json']);
  });

  test('slow makes every step take ten times as long', async () => {
    await using sim = await serveInside({ env: UNHURRIED });
    const request = { ...LONG_STREAM, max_tokens: 30 };
    const timed = async (): Promise<number> => {
      const begin = performance.now();
      await rawJson(sim.port, CHAT_PATH, request);
      return performance.now() - begin;
    };
    await sim.fault({ fault: 'slow' });
    const slow = await timed();
    await sim.fault({ fault: 'none' });
    // The quickest of three: the machine may have had something else to do.
    expect(Math.min(await timed(), await timed(), await timed())).toBeLessThan(slow);
  });

  test('strikes a request that has no tokens at its end', async () => {
    await using sim = await serveInside();
    await sim.fault({ fault: 'error-midstream' });
    expect((await rawJson(sim.port, '/v1/embeddings', { input: 'a' })).status).toBe(500);
    await sim.fault({ fault: 'reset' });
    await expect(rawJson(sim.port, '/v1/embeddings', { input: 'a' })).rejects.toThrow(/ECONNRESET/);
  });

  test('is refused where the route is not open or the fault is not known', async () => {
    await using shut = await serveInside({ env: { SIM_FAULTS: '0' } });
    expect((await rawJson(shut.port, '/sim/fault', { fault: 'hang' })).status).toBe(404);
    await using open = await serveInside();
    expect((await rawJson(open.port, '/sim/fault', { fault: 'gremlins' })).status).toBe(400);
    expect((await rawJson(open.port, '/sim/fault', { fault: 'oom-weights' })).status).toBe(400);
  });
});
