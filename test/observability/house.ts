import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AS_ADMIN } from '../support/admin.ts';
import { startDnsServer } from '../support/dns-server.ts';
import { type OtlpCollector, startOtlpCollector } from '../support/otlp-collector.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';
import { NO_REDIS_SERVER, startRedisServer } from '../support/redis-server.ts';
import { type RunningSim, startSim } from '../support/sim.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
/** Models that take turns on the card. */
export const [FIRST, SECOND] = ['mistral-7b-instruct', 'qwen2.5-1.5b-instruct-awq'] as const;
/** Of the second gateway: a model of its engines, with another where they cannot. */
export const STORY = 'story';
export const KEYS = { app: 'sk-app-of-the-test-house', scarce: 'sk-scarce-of-the-test-house' } as const;

/** A gateway in a process of its own. */
export interface HouseGateway {
  readonly url: string;
  readonly address: string;
  /** The file of its settings. */
  readonly file: string;
  readonly settings: object;
  readonly output: () => string;
}

/**
 * Two gateways: one with a supervisor, a pretended card, keys, a cache, a window, batches, a collector of its traces and, where there is one, a
 * shared store; one in front of two simulated engines that run already, with hardly any places, of which it finds one by DNS, and a third that
 * answers where those cannot.
 */
export interface House extends AsyncDisposable {
  readonly full: HouseGateway;
  readonly front: HouseGateway;
  readonly engines: readonly [RunningSim, RunningSim];
  /** Takes the traces of `full`. */
  readonly collector: OtlpCollector;
  /** Where the supervised engine listens, as host:port. */
  readonly supervised: string;
  /** What cannot be had here, and why. */
  readonly missing: string | null;
}

export async function buildHouse(folder: string): Promise<House> {
  await using stack = new AsyncDisposableStack();
  const store = NO_REDIS_SERVER === null ? stack.use(await startRedisServer()) : null;
  const engineOptions = { model: 'sim-1B', args: ['--kv-cache-memory-bytes', '1073741824'], env: { SIM_SPEED: '0.3' } };
  const engines = [stack.use(await startSim(engineOptions)), stack.use(await startSim(engineOptions))] as const;
  const small = stack.use(await startSim({ model: 'small' }));
  const names = stack.use(await startDnsServer());
  names.answers['A engine.test'] = ['127.0.0.1'];
  const collector = stack.use(await startOtlpCollector());
  const enginePort = await freePort(11);

  async function start(name: string, command: string, settings: object, env: Record<string, string>): Promise<HouseGateway> {
    const cwd = join(folder, name);
    mkdirSync(cwd, { recursive: true });
    const file = join(cwd, 'headgate.yaml');
    const port = await freePort();
    const all = { ...settings, server: { port }, shutdown: { settle_ms: 0, grace_ms: 1_000 } };
    writeFileSync(file, JSON.stringify(all));
    const headgate = stack.use(run(process.execPath, [CLI, command], { cwd, env }));
    await headgate.prints(/Headgate is ready on/, 60_000);
    const address = `127.0.0.1:${port}`;
    return { url: `http://${address}`, address, file, settings: all, output: headgate.output };
  }

  const full = await start(
    'full',
    'serve',
    {
      supervisor: { engine: 'sim', port_range: [enginePort, enginePort + 10] },
      models: [FIRST, SECOND].map((id) => ({ id, swap: { dwell_ms: 100 } })),
      auth: {
        keys: [
          { name: 'app', key: KEYS.app, limits: { requests_per_minute: 10_000, tokens_per_day: 1_000_000, concurrent_requests: 100 } },
          { name: 'scarce', key: KEYS.scarce, limits: { requests_per_minute: 1 } },
        ],
      },
      cache: { enabled: true },
      batch_window: { window_ms: 20 },
      load_balancer: { affinity: 'session' },
      sessions: { idle_ms: 1_000 },
      telemetry: { otlp_endpoint: collector.url, sample_ratio: 1, trust_incoming: true },
      ...(store ? { state: { url: store.url, timeout_ms: 1_000 } } : {}),
    },
    { SIM_GPU: 't4', SIM_SPEED: '0.05', SIM_START_MS: '300', SIM_STOP_MS: '100', SIM_FAULTS: '1' },
  );
  const front = await start(
    'front',
    'gateway',
    {
      workers: [
        { url: engines[0].url, max_num_seqs: 2 },
        { dns: `engine.test:${engines[1].port}`, max_num_seqs: 2 },
        { url: small.url, max_num_seqs: 64 },
      ],
      models: [{ id: STORY, pool: ['sim-1B'], fallback: ['small'] }],
      discovery: { dns: { servers: [names.address] } },
      resume: { enabled: true },
      // The other is not there.
      state: { gateways: 2 },
      admission: { max_queue: 2, queue_timeout_ms: 2_000 },
      circuit_breaker: { open_ms: 1_500 },
      cache: { enabled: true, max_entries: 2 },
    },
    {},
  );
  const owned = stack.move();
  return {
    full,
    front,
    engines,
    collector,
    supervised: `127.0.0.1:${enginePort}`,
    missing: NO_REDIS_SERVER,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** What an operator asks. */
export async function asAdmin<T>({ url }: HouseGateway, path: string, method = 'GET'): Promise<T> {
  const response = await fetch(`${url}${path}`, { method, headers: AS_ADMIN, signal: AbortSignal.timeout(20_000) });
  return (await response.json()) as T;
}
