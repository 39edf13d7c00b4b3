import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from '../../../gateway/core/clock.ts';
import { createDirectory, type LiveDirectory } from '../../../gateway/workers/directory.ts';
import { type ListedSource, startListedSource } from '../../../gateway/workers/listed-source.ts';
import { type Scraper, startScraper } from '../../../gateway/workers/scraper.ts';
import { createTransport } from '../../../gateway/workers/wire/transport.ts';
import { recordChanges } from './worker-fixtures.ts';

/** Directory, list, looks and scraper together, over real sockets, in front of a server that speaks as vLLM does. */
interface FakeVllm {
  readonly server: Server;
  readonly port: number;
  running: number;
  /** The engine behind the front is dead: every route says 503. */
  dead: boolean;
  readonly keys: Set<string | undefined>;
}

function startVllm(): Promise<FakeVllm> {
  const state = { running: 0, dead: false, keys: new Set<string | undefined>() };
  const server = createServer((request, response) => {
    state.keys.add(request.headers.authorization);
    if (state.dead) response.writeHead(503).end();
    else if (request.url === '/health') response.end();
    else if (request.url === '/v1/models')
      response.end('{"object":"list","data":[{"id":"tiny","root":"/tiny","parent":null,"max_model_len":256}]}');
    else if (request.url === '/version') response.end('{"version":"0.28.0"}');
    else if (request.url === '/metrics') response.end(`vllm:num_requests_running{engine="0"} ${state.running}\n`);
    else response.writeHead(404).end('{"detail":"Not Found"}');
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(Object.assign(state, { server, port: (server.address() as AddressInfo).port })));
  });
}

function kill(vllm: FakeVllm): Promise<void> {
  return new Promise((resolve) => {
    vllm.server.close(() => resolve());
    vllm.server.closeAllConnections();
  });
}

let vllm: FakeVllm;
let directory: LiveDirectory;
let source: ListedSource;
let scraper: Scraper;

function start(): void {
  const { events } = recordChanges();
  directory = createDirectory({
    clock: systemClock,
    events,
    models: [{ id: 'tiny', aliases: ['gpt-4o'] }],
    createTransport: ({ url, apiKey }) => createTransport({ url, apiKey, clock: systemClock, connectMs: () => 3000 }),
  });
  const workers = [{ url: `http://127.0.0.1:${vllm.port}`, apiKey: 'secret', models: null, maxNumSeqs: 4 }];
  source = startListedSource({ clock: systemClock, directory, workers });
  scraper = startScraper({ clock: systemClock, directory, source, intervalMs: () => 20 });
}

function until(what: () => boolean): Promise<void> {
  return vi.waitFor(() => expect(what()).toBe(true), { timeout: 60_000, interval: 5 });
}

afterEach(async () => {
  scraper.close();
  source.close();
  await directory.close();
  if (vllm.server.listening) await kill(vllm);
});

test(
  'a listed server is found, measured, lost when its engine dies, found again, and lost when it is gone',
  { timeout: 180_000 },
  async () => {
    vllm = await startVllm();
    start();
    expect(directory.resolve('gpt-4o')?.state).toBe('available');
    await until(() => directory.readyFor('tiny').length === 1);
    expect(directory.resolve(null)).toMatchObject({ id: 'tiny', root: '/tiny', maxModelLen: 256, state: 'ready' });
    expect([...vllm.keys]).toEqual(['Bearer secret']);

    const [worker] = directory.workers();
    vllm.running = 7;
    await until(() => worker!.load.running === 7);

    vllm.dead = true;
    await until(() => directory.readyFor('tiny').length === 0);
    expect(directory.resolve('gpt-4o')).toMatchObject({ id: 'tiny', state: 'loading' });
    expect(worker!.view.lastFailure).toMatchObject({ phase: 'serving', class: 'engine_dead' });

    vllm.dead = false;
    await until(() => directory.readyFor('tiny').length === 1);
    expect(directory.workers()).toEqual([worker]);

    await kill(vllm);
    await until(() => directory.readyFor('tiny').length === 0);
    expect(worker!.view.lastFailure).toMatchObject({ phase: 'serving', class: expect.stringMatching(/^un(reachable|responsive)$/) });
  },
);
