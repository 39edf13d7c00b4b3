import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AdminStatus, Stats } from '../../gateway/http/pages/admin-answers.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { event, startFakeVllm, type FakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { startOtlpCollector } from '../support/otlp-collector.ts';
import { run, type RunningProcess } from '../support/process.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

interface Box extends AsyncDisposable {
  readonly process: RunningProcess;
  readonly folder: string;
  readonly url: string;
  readonly serving: () => Promise<number[]>;
  readonly settings: (more: object) => void;
}

/** Two processes in front of these workers, each with four places; six calls may wait. */
async function startBox(workers: readonly FakeVllm[], more: object = {}): Promise<Box> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-processes-'));
  const settings = (extra: object): void =>
    writeFileSync(
      join(folder, 'headgate.yaml'),
      stringify({
        server: { port: 0, processes: 2 },
        workers: workers.map(({ url }) => ({ url, max_num_seqs: 4 })),
        admission: { headroom: 0, max_queue: 6 },
        shutdown: { settle_ms: 0, grace_ms: 5_000 },
        ...more,
        ...extra,
      }),
    );
  settings({});
  const process = run(globalThis.process.execPath, [CLI, 'gateway'], { cwd: folder });
  const [, url = ''] = await process.prints(/is ready on (http:\/\/[\d.:]+)/);
  const serving = async () => (await asAdmin<AdminStatus>(url, '/admin/status')).gateway.processes?.map(Number) ?? [];
  await until(async () => (await serving()).length === 2, 'two processes serve');
  // They are ready with the first worker that they know.
  const knowsAll = async (): Promise<boolean> =>
    (await asAdmin<Stats>(url, '/stats')).workers.filter(({ state }) => state === 'ready').length === workers.length;
  await until(async () => (await Promise.all(Array.from({ length: 12 }, knowsAll))).every(Boolean), 'both know every worker');
  const dispose = async (): Promise<void> => {
    await process[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  };
  return { process, folder, url, serving, settings, [Symbol.asyncDispose]: dispose };
}

async function asAdmin<T>(url: string, path: string, method = 'GET'): Promise<T> {
  return (await (await fetch(`${url}${path}`, { method, headers: { ...AS_ADMIN, connection: 'close' } })).json()) as T;
}

interface Answer {
  status: number;
  body: string;
  reason: string | undefined;
  /** How it broke; null: it is whole. */
  broken: string | null;
}

/** A chat over a connection of its own, which goes to whichever process the kernel picks. */
function chat(url: string, extra: object = {}, headers: Record<string, string> = {}): Promise<Answer> {
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'hi' }], ...extra });
  return new Promise((resolve) => {
    const answer: Answer = { status: 0, body: '', reason: undefined, broken: null };
    const asked = request(`${url}/v1/chat/completions`, {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
    });
    const broke = (error: NodeJS.ErrnoException): void => resolve({ ...answer, broken: error.code ?? error.message });
    asked.on('response', (response) => {
      answer.status = response.statusCode ?? 0;
      answer.reason = response.headers['x-headgate-reason'] as string | undefined;
      response.on('data', (piece: Buffer) => (answer.body += piece.toString()));
      response.on('end', () => resolve(answer));
      response.on('error', broke);
    });
    asked.on('error', broke);
    asked.end(body);
  });
}

/** A worker that holds what it gets until it is let go, and counts. */
async function startHoldingWorker(): Promise<FakeVllm & { atOnce: number; most: number; letGo(): void }> {
  const fake = await startFakeVllm();
  const held = new Set<() => void>();
  const worker = Object.assign(fake, { atOnce: 0, most: 0, letGo: () => held.forEach((one) => one()) });
  worker.script = ({ body }, response) => {
    worker.atOnce += 1;
    worker.most = Math.max(worker.most, worker.atOnce);
    response.on('close', () => (worker.atOnce -= 1));
    const isStream = (JSON.parse(body) as { stream?: boolean }).stream === true;
    if (isStream) {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(event('a'));
    }
    const end = (): void => {
      held.delete(end);
      if (isStream) return void response.end(`${event('', 'stop')}data: [DONE]\n\n`);
      const message = { role: 'assistant', content: 'Hello' };
      const text = JSON.stringify({
        id: 'c',
        object: 'chat.completion',
        created: 1,
        model: 'm',
        choices: [{ index: 0, message, finish_reason: 'stop' }],
      });
      response.writeHead(200, { 'content-type': 'application/json' }).end(text);
    };
    held.add(end);
    response.on('close', () => held.delete(end));
  };
  return worker;
}

function sumOf(page: string, name: string, label = ''): number {
  const lines = page.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(label));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

type HoldingWorker = Awaited<ReturnType<typeof startHoldingWorker>>;
let worker: HoldingWorker;
let box: Box;

beforeAll(async () => {
  worker = await startHoldingWorker();
  box = await startBox([worker]);
}, 60_000);

afterAll(async () => {
  await box[Symbol.asyncDispose]();
  await worker[Symbol.asyncDispose]();
});

test('whoever asks as soon as one of them is ready is refused by none: who comes later knows the workers before it serves', async () => {
  await using slow = await startFakeVllm();
  slow.getsTakeMs = 150;
  const folder = mkdtempSync(join(tmpdir(), 'headgate-processes-'));
  writeFileSync(join(folder, 'headgate.yaml'), stringify({ server: { port: 0, processes: 2 }, workers: [{ url: slow.url }] }));
  await using gateway = run(process.execPath, [CLI, 'gateway'], { cwd: folder });
  const [, url = ''] = await gateway.prints(/gateway on (http:\/\/[\d.:]+)/);
  const isReady = async () => (await fetch(`${url}/readyz`, { headers: { connection: 'close' } })).status === 200;
  await until(isReady, 'one of them is ready');
  const answers: Answer[] = [];
  const ask = async () => void answers.push(...(await Promise.all(Array.from({ length: 12 }, () => chat(url)))));
  const serving = async () => (await asAdmin<AdminStatus>(url, '/admin/status')).gateway.processes?.length;
  do await ask();
  while ((await serving()) !== 2);
  for (let n = 0; n < 3; n++) await ask();
  expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
  await gateway[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

test('two processes give a worker no more calls than it has places, let as many wait as one would, and count all of them once', async () => {
  const answers: Answer[] = [];
  for (let round = 0; round < 2; round++) {
    const before = answers.length;
    const asked = Array.from({ length: 40 }, (_, i) => chat(box.url, {}, i % 3 === 0 ? { 'x-headgate-priority': 'batch' } : {}));
    for (const one of asked) void one.then((answer) => answers.push(answer));
    await until(() => answers.length - before >= 30, 'all are refused but those that run and those that wait');
    await until(() => worker.atOnce === 4, 'every place is taken');
    expect(answers.slice(before).map(({ reason }) => reason)).toEqual(Array.from({ length: 30 }, () => 'queue_full'));
    const stats = await asAdmin<Stats>(box.url, '/stats');
    expect(stats.queue.depth.interactive + stats.queue.depth.batch).toBe(6);
    const letGo = setInterval(() => worker.letGo(), 5);
    await Promise.all(asked);
    clearInterval(letGo);
  }
  expect(worker.most).toBe(4);
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(20);
  const page = await (await fetch(`${box.url}/metrics`)).text();
  expect(sumOf(page, 'headgate_requests_total', 'code="200"')).toBe(20);
  expect(sumOf(page, 'headgate_requests_total', 'code="503"')).toBe(60);
  expect(sumOf(page, 'headgate_request_duration_seconds_count', 'chat')).toBe(80);
  expect(sumOf(page, 'headgate_routed_requests_total')).toBe(20);
  // Each request is told of by one line, whoever served it, and each happening of all by one.
  await until(() => (box.process.output().match(/"event":"request.end"/g) ?? []).length === 80, 'every line is out');
  expect(box.process.output().match(/"event":"worker.state".*"state":"ready"/g)).toHaveLength(1);
  for (const line of box.process.output().trimEnd().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
});

test('a process that is killed costs its own streams and no others; its places come back, and so does it', async () => {
  const before = await box.serving();
  const streams = Array.from({ length: 4 }, () => chat(box.url, { stream: true }));
  await until(() => worker.atOnce === 4, 'every place is taken');
  const inFlight = async (): Promise<number> => (await asAdmin<Stats>(box.url, '/stats')).queue.in_flight;
  expect(await inFlight()).toBe(4);
  const left = worker.atOnce;
  process.kill(before[0]!, 'SIGKILL');
  // Whoever comes now is answered, be it by the next one in its place.
  const comers = Array.from({ length: 16 }, () => fetch(`${box.url}/health`, { headers: { connection: 'close' } }));
  expect((await Promise.all(comers)).map(({ status }) => status)).toEqual(comers.map(() => 200));
  await until(async () => !(await box.serving().catch(() => before)).includes(before[0]!), 'the process is gone');
  await until(async () => (await box.serving()).length === 2, 'another is there in its place');
  const survivors = worker.atOnce;
  // Whatever the killed one had is free again: as many calls as there are places run at once.
  const more = Array.from({ length: left - survivors + 2 }, () => chat(box.url));
  await until(() => worker.atOnce === 4, 'every place is taken again');
  const letGo = setInterval(() => worker.letGo(), 5);
  const ended = await Promise.all(streams);
  expect((await Promise.all(more)).map(({ status }) => status)).toEqual(more.map(() => 200));
  clearInterval(letGo);
  expect(ended.filter(({ broken }) => broken === null).map(({ body }) => body.endsWith('data: [DONE]\n\n'))).toEqual(
    Array.from({ length: survivors }, () => true),
  );
  expect(ended.filter(({ broken }) => broken !== null).map(({ broken }) => broken)).toEqual(
    Array.from({ length: left - survivors }, () => 'ECONNRESET'),
  );
  expect(worker.most).toBeLessThanOrEqual(4);
  const history = readFileSync(join(box.folder, '.headgate', 'events-gateway.jsonl'), 'utf8');
  expect(history).toContain(`Process ${before[0]} of the gateway was ended by SIGKILL`);
  // What it had counted when it was last looked at is in the sums still.
  const page = await (await fetch(`${box.url}/metrics`)).text();
  expect(sumOf(page, 'headgate_requests_total', 'code="503"')).toBe(60);
});

test('the process in the place of one that was killed serves when it has heard of every worker that the others have', async () => {
  await using quick = await startFakeVllm(['m']);
  await using slow = await startFakeVllm(['other']);
  await using own = await startBox([quick, slow], { admission: { max_queue: 100 } });
  slow.getsTakeMs = 150;
  await until(async () => (await own.serving()).length === 2, 'both answer');
  const killed = (await own.serving())[0]!;
  expect(killed).toBeGreaterThan(0);
  process.kill(killed, 'SIGKILL');
  const answers: Answer[] = [];
  const ask = async () => void answers.push(...(await Promise.all(Array.from({ length: 12 }, () => chat(own.url, { model: 'other' })))));
  const isBack = async (): Promise<boolean> => {
    const serving = await own.serving();
    return serving.length === 2 && !serving.includes(killed);
  };
  do await ask();
  while (!(await isBack()));
  for (let n = 0; n < 3; n++) await ask();
  expect(answers.filter(({ status, broken }) => status !== 200 && broken === null)).toEqual([]);
});

test('when the process that keeps the others is killed they give the port back at once and end when their calls have', async () => {
  const serving = await box.serving();
  const streams = Array.from({ length: 3 }, () => chat(box.url, { stream: true }));
  await until(() => worker.atOnce === 3, 'three streams run');
  box.process.child.kill('SIGKILL');
  await until(() => isRefused(box.url), 'nobody listens any more');
  worker.letGo();
  for (const { body, broken } of await Promise.all(streams)) {
    expect(broken).toBeNull();
    expect(body.endsWith('data: [DONE]\n\n')).toBe(true);
  }
  await until(() => serving.every((pid) => !isAlive(pid)), 'both have ended');
});

test('places at two workers, a reload, an order to a worker and a drain are of both processes, whichever hears of them', async () => {
  await using other = await startHoldingWorker();
  await using drained = await startHoldingWorker();
  await using box = await startBox([drained, other]);
  // Of two workers neither gets more than its places, though each process has some at both.
  const crowd = Array.from({ length: 14 }, () => served(box.url));
  await until(() => drained.atOnce + other.atOnce === 8, 'every place of both is taken');
  const freeing = setInterval(() => [drained, other].forEach((each) => each.letGo()), 5);
  expect((await Promise.all(crowd)).map(({ status, reason }) => reason ?? status)).toEqual(crowd.map(() => 200));
  clearInterval(freeing);
  expect([drained.most, other.most]).toEqual([4, 4]);

  const [id] = (await asAdmin<AdminStatus>(box.url, '/admin/status')).workers.map((each) => each.id);
  await asAdmin(box.url, `/admin/workers/${id}/drain`, 'POST');
  const states = async () => (await asAdmin<Stats>(box.url, '/stats')).workers.map(({ state }) => state);
  const seen = await Promise.all(Array.from({ length: 12 }, states));
  expect(new Set(seen.map((each) => each.join()))).toEqual(new Set(['drained,ready']));

  box.settings({ admission: { headroom: 0, max_queue: 0 }, server: { port: 0, processes: 3 } });
  expect(await asAdmin(box.url, '/admin/reload', 'POST')).toMatchObject({
    changed: ['server.processes', 'admission.max_queue'],
    needs_restart: ['server.processes'],
  });
  // Nobody may wait now: four run at the only worker that takes calls, and every other is refused. One more comes where a process did not
  // say in time what it has left, as on a busy machine.
  const asked: Promise<Answer>[] = [];
  let answered = 0;
  const ask = () => asked.push(chat(box.url).finally(() => answered++));
  for (let i = 0; i < 12; i++) ask();
  await until(() => {
    const settled = answered + other.atOnce === asked.length;
    if (settled && other.atOnce < 4 && asked.length < 40) ask();
    return settled && other.atOnce === 4;
  }, 'four run and every other is refused');

  box.process.child.kill('SIGTERM');
  await until(async () => (await chat(box.url)).reason === 'draining', 'nothing new is taken');
  const letGo = setInterval(() => other.letGo(), 5);
  expect((await Promise.all(asked)).filter(({ status }) => status === 200)).toHaveLength(4);
  expect(await box.process.exited).toBe(0);
  clearInterval(letGo);
  expect(box.process.output().match(/"event":"config.reload"/g)).toHaveLength(1);
  const drains = box.process
    .output()
    .split('\n')
    .filter((line) => line.includes('"event":"drain"'));
  expect(drains.map((line) => (JSON.parse(line) as { stage: string }).stage)).toEqual(['begin', 'refusing', 'end']);
});

function isRefused(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.on('connect', () => socket.destroy());
    socket.on('error', () => {});
    socket.on('close', (failed) => resolve(failed));
  });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Comes again where the other process did not say in time what it has left, as on a busy machine. */
async function served(url: string): Promise<Answer> {
  for (let tries = 1; ; tries++) {
    const answer = await chat(url);
    if (answer.reason !== 'queue_full' || tries === 20) return answer;
  }
}

test('all processes send their traces, each by its own name, and all are told as one at the end', async () => {
  await using collector = await startOtlpCollector();
  await using worker = await startFakeVllm();
  const box = await startBox([worker], { telemetry: { otlp_endpoint: collector.url, sample_ratio: 1 } });
  const servers = await box.serving();
  const roots = () => collector.spans.filter(({ kind }) => kind === 2);
  const pids = () => new Set(roots().map(({ resource }) => resource['process.pid']));
  let asked = 0;
  await until(async () => {
    expect((await chat(box.url)).status).toBe(200);
    asked++;
    return pids().size === 2;
  }, 'spans of both');
  expect([...pids()].sort()).toEqual([...servers].sort());
  expect(new Set(roots().map(({ resource }) => resource['service.instance.id'])).size).toBe(2);
  await box[Symbol.asyncDispose]();
  // What had not been sent yet was sent before they ended.
  expect(roots()).toHaveLength(asked);
});
