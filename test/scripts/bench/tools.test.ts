import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Children, printed } from '../../../scripts/bench/children.ts';
import { UNPINNED } from '../../../scripts/bench/cores.ts';
import { ownProgram } from '../../../scripts/bench/proxies/programs.ts';
import { answers } from '../../../scripts/bench/tools/answers.ts';
import type { LoadResult } from '../../../scripts/bench/tools/tally.ts';
import { makeTools, type Tools } from '../../../scripts/bench/tools.ts';

// The tools in C and those in Node are one: either load counts what either stub has counted, straight and through the bare relay.

const folder = mkdtempSync(join(tmpdir(), 'headgate-bench-test-'));
const children = new Children(folder);
const hasCompiler = (() => {
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
const LANGUAGES = hasCompiler ? (['C', 'Node'] as const) : (['Node'] as const);
const made = new Map<string, Tools>();
const relays = new Map<string, number>();

beforeAll(async () => {
  for (const language of LANGUAGES) {
    const without = new Set(language === 'C' ? [] : ['gcc']);
    const tools = await makeTools({ folder, children, cores: UNPINNED, without, stubPort: 0 });
    expect(tools.language).toBe(language);
    made.set(language, tools);
    const relay = await children.start('relay', [process.execPath, ownProgram('../tools/bare-relay'), '0', String(tools.stubPort)], {
      cpu: null,
    });
    relays.set(language, Number((await printed(relay, /^listening (\d+)$/m, 60_000))[1]));
    await tools.stub(2_000);
  }
});

afterAll(async () => {
  await children.stopAll();
  rmSync(folder, { recursive: true, force: true });
});

test.skipIf(hasCompiler)('skipped: the tools in C, there is no gcc here', () => {});

const PAIRS = LANGUAGES.flatMap((stub) => LANGUAGES.map((load) => ({ stub, load, relayed: stub !== load || LANGUAGES.length === 1 })));

describe.each(PAIRS)('load in $load, stub in $stub, through the relay: $relayed', ({ stub, load, relayed }) => {
  const worker = () => made.get(stub)!;
  const run = (options: Parameters<Tools['load']>[1]): Promise<LoadResult> =>
    made.get(load)!.load(relayed ? relays.get(stub)! : worker().stubPort, { seconds: 30, ...options });
  const counting = async (options: Parameters<Tools['load']>[1]) => {
    const before = await worker().stub();
    const result = await run(options);
    const after = await worker().stub();
    return { result, calls: after.calls - before.calls, tokens: after.tokens - before.tokens, before };
  };

  test('calls, large ones too, are all answered and all counted', async () => {
    const { result, calls } = await counting({ calls: 40, connections: 4, prompt: 300_000, fresh: true });
    expect(result).toMatchObject({ calls: 40, ok: 40, errors: {} });
    expect(calls).toBe(40);
    expect(result.latency_us.count).toBe(40);
    const vectors = await run({ calls: 6, connections: 2, path: '/v1/embeddings' });
    expect(vectors).toMatchObject({ ok: 6, errors: {} });
    expect(vectors.bytes).toBeGreaterThan(6 * 20_000);
  });

  test.each(['/v1/chat/completions', '/v1/completions'])('streams of %s have every token, each with its delay', async (path) => {
    const { result, tokens } = await counting({ calls: 10, connections: 5, stream: true, usage: true, maxTokens: 9, path });
    expect(result).toMatchObject({ ok: 10, chunks: 90, errors: {} });
    expect(tokens).toBe(90);
    expect(result.chunk_delay_us.count).toBe(90);
  });

  test('abandoned streams are noticed, and count as neither good nor failed', async () => {
    const { result } = await counting({ calls: 12, connections: 4, stream: true, maxTokens: 40, abort: 0.5 });
    expect(result.ok + result.aborted).toBe(12);
    expect(result.errors).toEqual({});
    // So slow that no stream has come to its end by itself before its client has hung up.
    await worker().stub(100_000);
    const { result: left, before } = await counting({ calls: 4, connections: 4, stream: true, maxTokens: 40, abort: 1 });
    await worker().stub(2_000);
    expect(left).toMatchObject({ ok: 0, aborted: 4, errors: {} });
    await expect.poll(async () => (await worker().stub()).aborts - before.aborts).toBe(4);
    const held = await counting({ seconds: 0.1, connections: 3, stream: true, maxTokens: 10_000, graceS: 0 });
    expect(held.result).toMatchObject({ ok: 0, held: 3, errors: {} });
    await expect.poll(async () => (await worker().stub()).streaming).toBe(0);
  });
});

test.each(LANGUAGES)('an open loop makes about as many calls as its rate says (load in %s)', async (language) => {
  const tools = made.get(language)!;
  const result = await tools.load(tools.stubPort, { seconds: 0.4, connections: 8, rate: 200 });
  expect(result.ok).toBe(result.calls);
  expect(result.calls).toBeGreaterThan(30);
  expect(result.calls).toBeLessThan(160);
});

test.each(LANGUAGES)('a call that meets a kept connection as it is closed is made anew (load in %s)', async (language) => {
  const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}';
  const server = createServer((socket) => {
    socket.once('data', () => socket.write(answer, () => socket.once('data', () => socket.destroy())));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await made.get(language)!.load(port, { calls: 3, connections: 1, seconds: 30 })).toMatchObject({ calls: 3, ok: 3, errors: {} });
  server.close();
});

test.each(LANGUAGES)('what nobody serves is an error by its kind (load in %s)', async (language) => {
  const tools = made.get(language)!;
  expect((await tools.load(tools.stubPort, { calls: 3, connections: 1, path: '/v1/none' })).errors).toEqual({ 'status 404': 3 });
  const nobody = await tools.load(1, { calls: 2, connections: 1, seconds: 0.2, graceS: 0 });
  expect(nobody.ok).toBe(0);
  expect(nobody.errors['refused']).toBeGreaterThan(0);
});

test.each(LANGUAGES)('the stub in %s answers with the bytes that it was given, named after the call', async (language) => {
  const url = `http://127.0.0.1:${made.get(language)!.stubPort}`;
  const ask = async (body: object) =>
    await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'x-request-id': 'abc' }, body: JSON.stringify(body) });
  const filled = (name: string) => answers()[name]!.replaceAll('<<ID>>', 'abc').replaceAll('<<TOKENS>>', '2').replaceAll('<<TOTAL>>', '16');
  const whole = await ask({ max_tokens: 2 });
  expect(await whole.text()).toBe(filled('chat-whole'));
  expect(whole.headers.get('x-request-id')).toBeNull();
  const stream = await ask({ max_tokens: 2, stream: true, stream_options: { include_usage: true } });
  expect((await stream.text()).replaceAll(/@\d+/g, '@<<STAMP>>')).toBe(
    `${['chat-role', 'chat-token', 'chat-last', 'chat-usage'].map(filled).join('')}data: [DONE]\n\n`,
  );
  const page = await (await fetch(`${url}/metrics`)).text();
  expect(page).toMatch(/^vllm:num_requests_running\{[^}]*\} 0\.0$/m);
  expect(page).not.toContain('<<');
});
