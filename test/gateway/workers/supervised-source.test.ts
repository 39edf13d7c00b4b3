import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Clock } from '../../../gateway/core/clock.ts';
import type { SupervisorSnapshot } from '../../../gateway/link/snapshot.ts';
import { createDirectory, type LiveDirectory } from '../../../gateway/workers/directory.ts';
import { startSupervisedSource, type SupervisedSource } from '../../../gateway/workers/supervised-source.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { fakeTransports, recordChanges, snapshot, view } from './worker-fixtures.ts';

/** A supervisor's control API over a real Unix socket; what it says is up to each test. */
let folder: string;
let server: Server;
let watchers: ServerResponse[];
let posts: string[];
let onWatch: (response: ServerResponse) => void;
let onPost: (path: string, response: ServerResponse) => void;
let source: SupervisedSource;
let directory: LiveDirectory;
let clock: FakeClock;
/** What the source asked the clock to wait for, in milliseconds. */
let waits: number[];

function socketPath(): string {
  return join(folder, 'control.sock');
}

function listen(): Promise<void> {
  server = createServer((request: IncomingMessage, response: ServerResponse) => {
    if (request.method === 'GET' && request.url === `/v1/watch?by=${process.pid}`) {
      watchers.push(response);
      onWatch(response);
      return;
    }
    posts.push(`${request.method} ${request.url}`);
    onPost(request.url ?? '', response);
  });
  return new Promise((resolve) => {
    server.listen(socketPath(), resolve);
  });
}

function shut(): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function say(response: ServerResponse, what: SupervisorSnapshot): void {
  response.write(`${JSON.stringify(what)}\n`);
}

function start(): void {
  clock = createFakeClock();
  const recording: Clock = {
    ...clock,
    after(ms, fn) {
      waits.push(ms);
      return clock.after(ms, fn);
    },
  };
  directory = createDirectory({ clock, events: recordChanges().events, models: [], createTransport: fakeTransports(clock).create });
  source = startSupervisedSource({ clock: recording, directory, control: socketPath() });
}

/** Sockets take real time; this waits for what must come of it. */
async function until(what: () => boolean): Promise<void> {
  await vi.waitFor(() => expect(what()).toBe(true), { timeout: 60_000, interval: 2 });
}

function retries(): number[] {
  return waits.filter((ms) => ms <= 2000);
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headgate-'));
  [watchers, posts, waits] = [[], [], []];
  onWatch = (response) =>
    say(
      response,
      snapshot({ workers: [view('w0')], models: [{ id: 'm', aliases: ['x'], source: 's', capabilities: [], maxModelLen: 9 }] }),
    );
  onPost = (_path, response) => response.writeHead(202).end('{"message":"It restarts."}');
  await listen();
});

afterEach(async () => {
  source.close();
  if (server.listening) await shut();
  await rm(folder, { recursive: true });
});

test('the directory follows what the supervisor says', async () => {
  start();
  expect(source.snapshot()).toBeNull();
  expect(source.link()).toEqual({ kind: 'connecting' });
  await until(() => directory.readyFor('m').length === 1);
  expect(source.link()).toEqual({ kind: 'connected', heardAt: clock.now() });
  expect(directory.resolve('x')).toMatchObject({ id: 'm', maxModelLen: 9, state: 'ready' });

  const worker = directory.worker('w0');
  say(watchers[0]!, snapshot({ revision: 2, workers: [view('w0', { state: 'draining' }), view('w1', { models: [] })] }));
  await until(() => directory.worker('w1') !== null);
  expect(directory.readyFor('m')).toEqual([]);
  expect(directory.worker('w0')).toBe(worker);
  expect(source.snapshot()?.revision).toBe(2);
});

test('while the supervisor is away the last snapshot stands, and its return is taken up', async () => {
  start();
  await until(() => source.link().kind === 'connected');
  await shut();
  await until(() => source.link().kind === 'away');
  expect(directory.readyFor('m')).toHaveLength(1);
  // But for what it foretold: nobody works on that.
  expect(directory.models().map(({ etaSeconds }) => etaSeconds)).toEqual([null]);
  expect(directory.workers().map(({ view: { etaSeconds } }) => etaSeconds)).toEqual([null]);
  expect(source.snapshot()).not.toBeNull();
  onWatch = (response) => say(response, snapshot({ revision: 0, workers: [] }));
  await listen();
  await clock.advance(100);
  await until(() => source.link().kind === 'connected');
  expect(directory.workers()).toEqual([]);
});

test('it is tried again after 100 ms, then ever less often up to 2 s, and quickly again once it was there', async () => {
  onWatch = (response) => response.writeHead(500).end();
  start();
  for (let attempt = 1; attempt <= 7; attempt += 1) {
    await until(() => retries().length === attempt);
    expect(source.link()).toMatchObject({ kind: 'away', since: 1000, reason: 'GET /v1/watch was answered with status 500' });
    await clock.advance(retries().at(-1)!);
  }
  await until(() => retries().length === 8);
  expect(retries()).toEqual([100, 200, 400, 800, 1600, 2000, 2000, 2000]);
  onWatch = (response) => say(response, snapshot());
  await clock.advance(2000);
  await until(() => source.link().kind === 'connected');
  watchers.at(-1)!.end();
  await until(() => source.link().kind === 'away');
  expect(retries().at(-1)).toBe(100);
});

test('fifteen seconds of silence break the connection and make a new one; any word puts it off', async () => {
  start();
  await until(() => source.link().kind === 'connected');
  await clock.advance(14_000);
  say(watchers[0]!, snapshot({ revision: 5 }));
  await until(() => source.snapshot()?.revision === 5);
  await clock.advance(14_999);
  expect(source.link().kind).toBe('connected');
  await clock.advance(1);
  expect(source.link()).toMatchObject({ kind: 'away', reason: 'nothing was heard for 15 s' });
  await clock.advance(100);
  await until(() => watchers.length === 2);
  await until(() => source.link().kind === 'connected');
});

test('a supervisor that takes the connection and never answers is given up as well', async () => {
  onWatch = () => undefined;
  start();
  await until(() => watchers.length === 1);
  await clock.advance(15_000);
  expect(source.link().kind).toBe('away');
});

test.each([
  ['a line that is no snapshot', '{"hello":1}\n'],
  ['a line without end', 'x'.repeat(4 * 1024 * 1024 + 1)],
])('%s ends the connection and changes nothing', async (_what, nonsense) => {
  start();
  await until(() => source.link().kind === 'connected');
  watchers[0]!.write(nonsense);
  await until(() => source.link().kind === 'away');
  expect(source.link()).toMatchObject({ reason: expect.stringMatching(/^it sent nonsense: /) });
  expect(directory.readyFor('m')).toHaveLength(1);
});

test('a worker that the scraper finds gone gets no requests until it answers, though the supervisor repeats itself', async () => {
  start();
  await until(() => directory.readyFor('m').length === 1);
  const worker = directory.worker('w0')!;
  source.observe('w0', 'missed');
  expect(worker.view.state).toBe('ready');
  source.observe('w0', 'refused');
  expect(worker.view.state).toBe('starting');
  expect(directory.readyFor('m')).toEqual([]);
  expect(source.scrapes(worker)).toBe(true);

  say(watchers[0]!, snapshot({ revision: 9, workers: [view('w0')] }));
  await until(() => source.snapshot()?.revision === 9);
  expect(directory.readyFor('m')).toEqual([]);
  source.observe('w0', 'refused');
  source.observe('w0', 'missed');
  expect(directory.readyFor('m')).toEqual([]);
  source.observe('w0', 'answered');
  expect(directory.readyFor('m')).toEqual([worker]);
});

test('or until the supervisor has something new to say of it', async () => {
  start();
  await until(() => directory.readyFor('m').length === 1);
  source.observe('w0', 'refused');
  say(watchers[0]!, snapshot({ workers: [view('w0', { restarts: 1, pid: 7 })] }));
  await until(() => directory.readyFor('m').length === 1);
});

test('workers are scraped while they serve: ready or draining', async () => {
  const states = ['ready', 'draining', 'starting', 'failed'] as const;
  onWatch = (response) => say(response, snapshot({ workers: states.map((state) => view(state, { state })) }));
  start();
  await until(() => directory.workers().length === 4);
  expect(directory.workers().map((worker) => source.scrapes(worker))).toEqual([true, true, false, false]);
});

test('commands reach the supervisor, ids encoded, and its answer comes back', async () => {
  start();
  expect(await source.restart('w 0/x', false)).toEqual({ kind: 'accepted', message: 'It restarts.' });
  expect(await source.restart('w1', true)).toMatchObject({ kind: 'accepted' });
  onPost = (_path, response) => response.writeHead(404).end();
  expect(await source.drain('w1')).toEqual({ kind: 'unknown', message: 'The supervisor knows no such worker or model.' });
  onPost = (_path, response) => response.writeHead(409).end('{"error":{"message":"It is stopping."}}');
  expect(await source.drain('w1')).toEqual({ kind: 'conflict', message: 'It is stopping.' });
  onPost = (_path, response) => response.writeHead(500).end('<html>');
  expect(await source.drain('w1')).toMatchObject({ kind: 'failed' });
  expect(posts).toEqual([
    'POST /v1/workers/w%200%2Fx/restart',
    'POST /v1/workers/w1/restart?reset=true',
    'POST /v1/workers/w1/drain',
    'POST /v1/workers/w1/drain',
    'POST /v1/workers/w1/drain',
  ]);
});

test('models are loaded and unloaded by command; the wishes of calls are told once a second for each model', async () => {
  start();
  expect(await source.load('org/m')).toMatchObject({ kind: 'accepted' });
  expect(await source.unload('org/m')).toMatchObject({ kind: 'accepted' });
  posts.length = 0;
  source.wish('a', 1);
  source.wish('a', 2);
  source.wish('b', 5);
  await clock.advance(999);
  source.wish('a', 3);
  await clock.advance(1);
  source.wish('a', 4);
  await until(() => posts.length === 3);
  expect(posts.toSorted()).toEqual([
    'POST /v1/models/a/load?waiting=1',
    'POST /v1/models/a/load?waiting=4',
    'POST /v1/models/b/load?waiting=5',
  ]);
});

test('a command fails in plain words when the supervisor is away, and after 5 s when it is silent', async () => {
  start();
  onPost = () => undefined;
  const silent = source.restart('w0', false);
  await until(() => posts.length === 1);
  await clock.advance(5000);
  expect(await silent).toEqual({ kind: 'failed', message: 'The supervisor cannot be told: it did not answer within 5 s.' });
  await shut();
  expect(await source.restart('w0', false)).toMatchObject({
    kind: 'failed',
    message: expect.stringMatching(/^The supervisor cannot be told: connect /),
  });
});

test('close hangs up and leaves no timer', async () => {
  start();
  await until(() => source.link().kind === 'connected');
  source.close();
  await until(() => watchers[0]!.destroyed);
  expect(clock.pending).toBe(0);
  await clock.advance(60_000);
  expect(watchers).toHaveLength(1);
});
