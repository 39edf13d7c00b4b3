import { type Attempt, newAttempt } from '../../../../gateway/core/attempt.ts';
import { newJourney, NO_FALLBACKS } from '../../../../gateway/core/call.ts';
import type { Call, Journey } from '../../../../gateway/core/call.ts';
import { Cancellation } from '../../../../gateway/core/cancellation.ts';
import type { LiveFigures } from '../../../../gateway/core/events.ts';
import { ANONYMOUS } from '../../../../gateway/core/principal.ts';
import type { SupervisorSnapshot } from '../../../../gateway/link/snapshot.ts';
import type { WorkerTransport } from '../../../../gateway/core/transport.ts';
import type { ModelEntry, Worker, WorkerDirectory, WorkerLoad, WorkerView } from '../../../../gateway/core/worker.ts';
import type { EventLoopMonitor } from '../../../../gateway/telemetry/metrics/event-loop.ts';
import { fanOut } from '../../../../gateway/core/fan-out.ts';
import { lostEvent } from '../../../../gateway/telemetry/events/lost-event.ts';
import { createEvents } from '../../../../gateway/telemetry/events/events.ts';
import { renderMetrics } from '../../../../gateway/telemetry/metrics/exposition.ts';
import { createLog } from '../../../../gateway/core/log/log.ts';
import type { LogLevel } from '../../../../gateway/core/log/log.ts';
import { createMetrics } from '../../../../gateway/telemetry/metrics/metrics.ts';
import type { MetricSources } from '../../../../gateway/telemetry/metrics/sources.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

export const MODEL = 'mistral-7b-instruct';

export const quietLoop: EventLoopMonitor = { read: () => ({ meanMs: 1, p50Ms: 1, p99Ms: 25, maxMs: 40 }), stop() {} };

/** Words that stand for what must never leave the gateway: a prompt, a completion and a key. */
export const SECRETS = { prompt: 'PROMPT-of-the-client', completion: 'COMPLETION-of-the-model', key: 'sk-secret-key-of-the-client' };

export function viewOf(more: Partial<WorkerView> = {}): WorkerView {
  return {
    id: 'w0',
    url: 'http://127.0.0.1:18000',
    models: [{ id: MODEL, root: null, parent: null, maxModelLen: 4096 }],
    state: 'ready',
    stage: 'ready',
    maxNumSeqs: 64,
    pid: 4711,
    port: 18000,
    startedAtMs: null,
    restarts: 0,
    degradation: [],
    lastFailure: null,
    etaSeconds: null,
    profile: 't4',
    engine: 'vllm',
    args: [],
    ...more,
  };
}

export function workerOf(view: WorkerView = viewOf(), load: Partial<WorkerLoad> = {}): Worker {
  return {
    id: view.id,
    view,
    load: {
      running: 0,
      waiting: 0,
      kvUsage: 0,
      kvCacheBytes: null,
      work: null,
      workedAt: null,
      movedAt: null,
      withheldAt: null,
      scrapedAt: null,
      bornAt: null,
      inFlightAtScrape: 0,
      ...load,
    },
    inFlight: 0,
    unanswered: 0,
    life: null,
    transport: unusedTransport,
  };
}

const unusedTransport: WorkerTransport = {
  exchange: () => {
    throw new Error('not in this test');
  },
  get: () => Promise.reject(new Error('not in this test')),
  openSockets: 0,
  close: () => Promise.resolve(),
};

/** A directory over a list that the test may change; every worker serves MODEL, the default. */
export function directoryOf(workers: Worker[], modelIds: readonly string[] = [MODEL], more: Partial<ModelEntry> = {}): WorkerDirectory {
  const models = modelIds.map((id): ModelEntry => ({
    id,
    aliases: [],
    root: null,
    parent: null,
    maxModelLen: 4096,
    created: 0,
    state: 'ready',
    profile: null,
    capabilities: [],
    etaSeconds: null,
    loadable: false,
    ...more,
  }));
  return {
    workers: () => workers,
    readyFor: (model) => workers.filter((worker) => worker.view.state === 'ready' && worker.view.models.some(({ id }) => id === model)),
    models: () => models,
    resolve: (name) => models.find(({ id }) => name === null || id === name) ?? null,
    onChange: () => () => {},
    close: () => Promise.resolve(),
  };
}

export const idleFigures: LiveFigures = {
  inFlight: () => 0,
  queueDepth: () => 0,
  windowMs: () => new Map(),
  windowPending: () => 0,
  batches: () => ({ requests: 0, batches: 0 }),
  breakers: () => new Map(),
  routed: () => new Map(),
  cache: () => ({ entries: 0, bytes: 0, maxEntries: 0, hits: 0, misses: 0 }),
  storeUp: () => null,
  sources: () => [],
  gateways: () => null,
  placesAt: ({ view }) => view.maxNumSeqs,
  limitsUsed: () => [],
  batchLines: () => null,
  prefixes: () => ({ blocks: 0, bytes: 0, sent: 0, matched: 0, held: 0, spilled: 0, new: 0 }),
  sessions: () => ({ active: 0, byWorker: new Map(), kept: 0, moved: 0 }),
};

export function snapshotOf(more: Partial<SupervisorSnapshot> = {}): SupervisorSnapshot {
  return {
    revision: 1,
    pid: 1,
    version: '0.1.0',
    engine: 'vllm',
    engineReason: 'a GPU was found',
    vllmVersion: '0.24.0',
    profile: 't4',
    tuning: 'balanced',
    gpus: [],
    models: [],
    workers: [],
    ...more,
  };
}

/** What became of a call, in one: its journey, and its last attempt where there was one. */
export type Story = Partial<Journey & Omit<Attempt, 'worker'>> & { readonly worker?: string; readonly attempts?: number };

/** A call that arrived at monotonic 1000 ms, carrying a prompt and a key that must never be seen again. */
export function callOf({ attempts = 0, worker = 'w0', ...story }: Story = {}, more: Partial<Call> = {}): Call {
  const bytes = Buffer.from(JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: SECRETS.prompt }] }));
  return {
    id: 'req-1',
    route: { path: '/v1/chat/completions', dialect: 'openai', body: 'json', streamEnd: 'done-event' },
    body: { bytes, contentType: 'application/json' },
    peek: { model: MODEL, stream: true, promptChars: 20, promptHead: SECRETS.prompt, maxTokens: 100, choices: 1, promptLogprobs: null },
    model: MODEL,
    priority: 'interactive',
    isLine: false,
    sessionId: null,
    idempotencyKey: null,
    cacheControl: null,
    cameBy: [],
    keepsModel: false,
    rides: null,
    trace: null,
    forward: { authorization: `Bearer ${SECRETS.key}` },
    only: null,
    fallbacks: NO_FALLBACKS,
    arrivedAt: 1000,
    principal: ANONYMOUS,
    cancellation: new Cancellation(),
    journey: { ...newJourney(), ...story },
    attempts: Array.from({ length: attempts }, () => ({ ...newAttempt(worker, null), ...story })),
    place: null,
    ...more,
  };
}

export interface Line {
  readonly time: string;
  readonly level: string;
  readonly event: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** Metrics, log and events on a clock that stands at 1000 ms, with a page to look things up in. */
export function createScene(sources: Partial<MetricSources> = {}, level: LogLevel = 'debug') {
  const clock = createFakeClock();
  const written: string[] = [];
  const metrics = createMetrics({ clock, loop: quietLoop, version: '0.1.0', nodeVersion: '26.0.0', processMetrics: false });
  metrics.attach({ directory: directoryOf([workerOf()]), ...sources });
  const log = createLog({ level, format: 'json', clock, destination: { write: (line) => written.push(line) } });
  return {
    clock,
    metrics,
    log,
    events: fanOut([createEvents({ metrics, log, clock })], lostEvent(log)),
    text: () => written.join(''),
    lines: (event?: string) =>
      written.map((line) => JSON.parse(line) as Line).filter((line) => event === undefined || line.event === event),
    /** Every sample of the classic page whose name and labels start with `prefix`, without `headgate_`. */
    /** Of those samples the ones that are not at 0. */
    async counted(prefix: string): Promise<Record<string, number>> {
      return Object.fromEntries(Object.entries(await this.samples(prefix)).filter(([, value]) => value !== 0));
    },
    async samples(prefix = ''): Promise<Record<string, number>> {
      const { body } = await renderMetrics(metrics.registry, undefined);
      const samples: Record<string, number> = {};
      for (const line of body.split('\n')) {
        const cut = line.lastIndexOf(' ');
        const name = line.slice('headgate_'.length, cut);
        if (!line.startsWith('#') && line !== '' && name.startsWith(prefix)) samples[name] = Number(line.slice(cut + 1));
      }
      return samples;
    },
  };
}
