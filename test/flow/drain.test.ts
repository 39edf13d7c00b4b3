import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SettingsInput } from '../../gateway/config/schema/settings.ts';
import { answers, event, startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway, until } from '../support/gateway.ts';
import { run, type RunningProcess } from '../support/process.ts';
import { connectRaw } from '../support/raw-client.ts';
import { ask, chat, CHAT_PATH, contentOf, dataOf, errorAtEnd, errorOf, flow } from './asking.ts';
import { rawRequest } from './raw-request.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const STREAMS = 50;

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-drain-'));
});

afterEach(() => rm(folder, { recursive: true, force: true }));

function headgate(...args: string[]): RunningProcess {
  return run(process.execPath, [CLI, ...args], { cwd: folder });
}

async function settingsFile(settings: SettingsInput): Promise<string> {
  const path = join(folder, 'settings.yaml');
  await writeFile(path, JSON.stringify(settings));
  return path;
}

/** Starts the gateway as an operator does, and waits for the line that names its URL. */
async function startProcess(worker: FakeVllm, shutdown: SettingsInput['shutdown']): Promise<RunningProcess & { readonly url: string }> {
  const file = await settingsFile({ workers: [{ url: worker.url }], server: { port: 0 }, shutdown });
  const started = headgate('gateway', '--config', file);
  const [, url] = await started.prints(/"event":"ready","msg":"Headgate is ready on (\S+) · model m · external workers"/);
  return Object.assign(started, { url: url! });
}

/** Streams that begin at once and end when they are told to. */
function endless(worker: FakeVllm): { readonly open: () => number; finish(count: number): void } {
  let open: ServerResponse[] = [];
  worker.script = (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.write(event('Hello'));
    open.push(response);
    response.on('close', () => {
      open = open.filter((other) => other !== response);
    });
  };
  return {
    open: () => open.length,
    finish(count) {
      for (const response of open.slice(0, count)) {
        response.write(event(' there', 'stop'));
        response.end('data: [DONE]\n\n');
      }
    },
  };
}

function lines(process: RunningProcess, eventName: string): Record<string, unknown>[] {
  return process
    .output()
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line['event'] === eventName);
}

const statusOf = async (url: string): Promise<number> => (await fetch(url)).status;

test('SIGTERM: not ready at once, alive to the end; streams finish or are told why not; exit code 0', async () => {
  await using worker = await startFakeVllm();
  const streams = endless(worker);
  await using gateway = await startProcess(worker, { settle_ms: 1_500, grace_ms: 3_500 });
  const flows = await Promise.all(Array.from({ length: STREAMS }, async () => flow(await ask(gateway.url, chat({ stream: true })))));
  await until(() => flows.every((one) => contentOf(one.text()) === 'Hello'), 'every stream begun');
  expect(await statusOf(`${gateway.url}/readyz`)).toBe(200);

  gateway.child.kill('SIGTERM');
  // Settling: load balancers learn that they should send no more, and what they send meanwhile is served.
  await until(async () => (await statusOrNull(`${gateway.url}/readyz`)) === 503, '/readyz saying no');
  worker.script = answers.completion();
  const meanwhile = await ask(gateway.url, chat());
  expect(meanwhile.status).toBe(200);
  expect(meanwhile.headers.get('connection')).toBe('close');
  await meanwhile.arrayBuffer();
  const alive = await fetch(`${gateway.url}/livez`);
  expect(alive.status).toBe(200);
  expect(alive.headers.get('connection')).toBe('close');
  expect((await ask(gateway.url, '{')).headers.get('connection')).toBe('close');

  // Refusing.
  let refused: Response | null = null;
  await until(async () => {
    const response = await ask(gateway.url, chat());
    if (response.status !== 200) refused = response;
    else await response.arrayBuffer();
    return refused !== null;
  }, 'new requests refused');
  expect(refused!.status).toBe(503);
  expect(refused!.headers.get('x-headgate-reason')).toBe('draining');
  expect(refused!.headers.get('retry-after')).toMatch(/^[1-9]\d?$/);
  expect(await errorOf(refused!)).toMatchObject({ type: 'service_unavailable_error', code: 'server_shutting_down' });
  expect(await statusOf(`${gateway.url}/livez`)).toBe(200);
  expect(streams.open()).toBe(STREAMS);

  // Half of the streams come to their end within the grace.
  streams.finish(STREAMS / 2);
  await until(() => flows.filter((one) => dataOf(one.text()).at(-1) === '[DONE]').length === STREAMS / 2, 'half of the streams finished');

  // The other half does not.
  expect(await Promise.all(flows.map((one) => one.over))).toEqual(flows.map(() => 'ended'));
  const cut = flows.filter((one) => dataOf(one.text()).at(-1) !== '[DONE]');
  expect(cut).toHaveLength(STREAMS / 2);
  for (const one of cut) {
    expect(contentOf(one.text())).toBe('Hello');
    expect(errorAtEnd(one.text())).toMatchObject({ type: 'service_unavailable_error', code: 'server_shutting_down' });
  }
  expect(await gateway.exited).toBe(0);
  await until(() => streams.open() === 0, 'the worker freed');

  const ends = lines(gateway, 'request.end');
  expect(ends.filter(({ outcome, stream }) => stream === true && outcome === 'complete')).toHaveLength(STREAMS / 2);
  expect(ends.filter(({ outcome, reason }) => outcome === 'broken' && reason === 'draining')).toHaveLength(STREAMS / 2);
  // In no order: at the very end the log writes what it holds past what is on its way to the pipe.
  expect(new Set(lines(gateway, 'drain').map(({ stage }) => stage))).toEqual(new Set(['begin', 'refusing', 'cutting', 'end']));
  expect(lines(gateway, 'internal.error')).toEqual([]);
}, 180_000);

/** The status, or null when nobody answers any more. */
function statusOrNull(url: string): Promise<number | null> {
  return statusOf(url).catch(() => null);
}

test('a connection that is open when requests begin to be refused is answered, used or not', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url], { shutdown: { settle_ms: 0, grace_ms: 20_000 } });
  await gateway.gateway.firstReady;
  const body = JSON.stringify(chat());
  const call = rawRequest('POST', CHAT_PATH, { 'content-type': 'application/json' }, body);
  using fresh = await connectRaw(gateway.port);
  using used = await connectRaw(gateway.port);
  used.send(call);
  expect((await used.answer()).status).toBe(200);
  // A stream keeps the drain from ending.
  const streams = endless(worker);
  const stream = flow(await ask(gateway.url, chat({ stream: true })));
  const drained = gateway.gateway.drain(false);
  await until(() => gateway.log.some(({ event: name, stage }) => name === 'drain' && stage === 'refusing'), 'requests refused');
  for (const client of [fresh, used]) {
    client.send(call);
    const answer = await client.answer();
    expect(answer.status).toBe(503);
    expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'server_shutting_down' } });
    expect(answer.headers['connection']).toBe('close');
    await client.ended;
  }
  streams.finish(1);
  expect(await stream.over).toBe('ended');
  await drained;
});

test('Ctrl-C does not wait for load balancers, and exits as soon as the last stream has ended', async () => {
  await using worker = await startFakeVllm();
  const streams = endless(worker);
  // Either would be longer than the test may take.
  await using gateway = await startProcess(worker, { settle_ms: 600_000, grace_ms: 600_000 });
  const stream = flow(await ask(gateway.url, chat({ stream: true })));
  await until(() => contentOf(stream.text()) === 'Hello', 'the stream begun');
  gateway.child.kill('SIGINT');
  await until(() => lines(gateway, 'drain').some(({ stage }) => stage === 'refusing'), 'the drain begun');
  streams.finish(1);
  expect(await stream.over).toBe('ended');
  expect(dataOf(stream.text()).at(-1)).toBe('[DONE]');
  expect(await gateway.exited).toBe(0);
});

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test('a second Ctrl-C ends it at once, with 130', async () => {
  await using worker = await startFakeVllm();
  const streams = endless(worker);
  await using gateway = await startProcess(worker, { settle_ms: 600_000, grace_ms: 600_000 });
  const stream = flow(await ask(gateway.url, chat({ stream: true })));
  await until(() => contentOf(stream.text()) === 'Hello', 'the stream begun');
  // npm passes on the Ctrl-C that the terminal has sent to all: heard twice at once it is one.
  gateway.child.kill('SIGINT');
  gateway.child.kill('SIGINT');
  await until(() => lines(gateway, 'drain').length > 0, 'the drain begun');
  await later(800);
  expect(gateway.child.exitCode).toBe(null);
  expect(streams.open()).toBe(1);
  gateway.child.kill('SIGINT');
  expect(await gateway.exited).toBe(130);
  expect(await stream.over).toBe('cut');
  await until(() => streams.open() === 0, 'the worker freed');
});

test('a port in use ends it with 69 and says which', async () => {
  await using worker = await startFakeVllm();
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const { port } = holder.address() as AddressInfo;
  try {
    await using gateway = headgate('gateway', '--worker', worker.url, '--port', String(port));
    expect(await gateway.exited).toBe(69);
    expect(gateway.output()).toContain(`127.0.0.1:${port}`);
    expect(gateway.output()).not.toMatch(/^ +at /m);
  } finally {
    holder.close();
  }
});

test('wrong settings end it with 64, with file, line and column, before any port is bound', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => holder.once('listening', resolve));
  const { port } = holder.address() as AddressInfo;
  try {
    const file = join(folder, 'wrong.yaml');
    // A port that is taken: were it bound first, the exit code would be 69.
    await writeFile(file, `server:\n  port: ${port}\nbatch_window:\n  windw_ms: 20\n`);
    await using gateway = headgate('gateway', '--worker', 'http://127.0.0.1:9', '--config', file);
    expect(await gateway.exited).toBe(64);
    expect(gateway.output()).toContain('wrong.yaml:4:3');
    expect(gateway.output()).toContain('window_ms');
  } finally {
    holder.close();
  }
});

test.each([
  { args: ['--version'], code: 0, says: /^headgate \d+\.\d+\.\d+\n$/ },
  { args: ['gateway', '--no-such-flag'], code: 2, says: /no-such-flag/ },
  { args: ['gateway'], code: 2, says: /--worker/ },
  { args: ['gatway'], code: 2, says: /gateway/ },
])('headgate $args exits with $code', async ({ args, code, says }) => {
  await using command = headgate(...args);
  expect(await command.exited).toBe(code);
  expect(command.output()).toMatch(says);
});
