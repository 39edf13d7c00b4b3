import { newAttempt } from '../../../../gateway/core/attempt.ts';
import { describe, expect, it } from 'vitest';
import type { Events } from '../../../../gateway/core/events.ts';
import type { Log } from '../../../../gateway/core/log/log.ts';
import { fanOut } from '../../../../gateway/core/fan-out.ts';
import { createEvents } from '../../../../gateway/telemetry/events/events.ts';
import { lostEvent } from '../../../../gateway/telemetry/events/lost-event.ts';
import { callOf, createScene, MODEL, SECRETS, viewOf } from './scene.ts';

interface Case {
  readonly name: keyof Events;
  readonly fire: (events: Events) => void;
  readonly line: object;
  readonly samples: Readonly<Record<string, number>>;
}

const CASES: readonly Case[] = [
  {
    name: 'requestStarted',
    fire: (events) => events.requestStarted(callOf()),
    line: { level: 'debug', event: 'request.start', request_id: 'req-1', model: MODEL, stream: true },
    samples: {},
  },
  {
    name: 'requestEnded',
    fire: (events) => events.requestEnded(callOf(), { kind: 'complete', status: 200 }, 200),
    line: { level: 'info', event: 'request.end', status: 200 },
    samples: { [`requests_total{route="/v1/chat/completions",method="POST",code="200",model="${MODEL}",outcome="complete"}`]: 1 },
  },
  {
    name: 'requestRefused',
    fire: (events) =>
      events.requestRefused({
        ...{ id: 'req-9', route: 'unknown', path: `/v1/\n\u202e${'x'.repeat(300)}`, method: 'BREW' },
        ...{ status: 404, code: 'unknown_url', durationMs: 1.25, key: null },
      }),
    line: {
      level: 'info',
      event: 'request.end',
      request_id: 'req-9',
      method: 'other',
      route: 'unknown',
      path: `/v1/%0A%E2%80%AE${'x'.repeat(194)}…`,
      status: 404,
      outcome: 'refused',
      code: 'unknown_url',
      duration_ms: 1.25,
    },
    samples: {
      'requests_total{route="unknown",method="other",code="404",model="unknown",outcome="refused"}': 1,
      'request_duration_seconds_count{route="unknown",model="unknown"}': 1,
    },
  },
  {
    name: 'admitted',
    fire: (events) => events.admitted(callOf({ queueMs: 250 })),
    line: { level: 'debug', event: 'admission', msg: 'request admitted', queue_ms: 250 },
    samples: {
      'admission_total{decision="admitted",reason="queued"}': 1,
      'admission_total{decision="admitted",reason="immediate"}': 0,
      queue_wait_seconds_sum: 0.25,
    },
  },
  {
    name: 'limited',
    fire: (events) => events.limited(callOf(), 'app-a', 'tokens'),
    line: { level: 'debug', event: 'limit', request_id: 'req-1', key: 'app-a', reason: 'tokens' },
    samples: { 'limit_rejections_total{key="app-a",limit="tokens"}': 1 },
  },
  {
    name: 'cacheEvicted',
    fire: (events) => events.cacheEvicted('stale'),
    line: { level: 'debug', event: 'cache', reason: 'stale' },
    samples: { 'cache_evictions_total{reason="stale"}': 1 },
  },
  {
    name: 'storeChanged',
    fire: (events) => events.storeChanged({ isUp: false, server: 'db:6379', trouble: 'timeout', message: 'is slow.' }),
    line: { level: 'warn', event: 'store.away', msg: 'The store at db:6379 is slow.', reason: 'timeout' },
    samples: {},
  },
  {
    name: 'sourceChanged',
    fire: (events) => events.sourceChanged({ source: 'dns vllm:8000', isUp: false, message: 'cannot be resolved', workers: 2, ending: 0 }),
    line: {
      ...{ level: 'warn', event: 'source.away', source: 'dns vllm:8000', workers: 2, message: 'cannot be resolved' },
      msg: 'dns vllm:8000 cannot be resolved. Its workers stay as they were, and are asked themselves whether they are well.',
    },
    samples: {},
  },
  {
    name: 'sourceChanged',
    fire: (events) => events.sourceChanged({ source: 'dns vllm:8000', isUp: false, message: 'cannot be resolved', workers: 0, ending: 0 }),
    line: { event: 'source.away', msg: 'dns vllm:8000 cannot be resolved. No worker of it is known.' },
    samples: {},
  },
  {
    name: 'workersFound',
    fire: (events) =>
      events.workersFound({ source: 's', joined: ['http://a:1', 'http://b:1'], left: ['http://c:1'], ending: [], replaced: [] }),
    line: { level: 'info', event: 'source.change', msg: 'Workers of s: 2 joined, 1 left.', joined: ['http://a:1', 'http://b:1'] },
    samples: { 'discovery_changes_total{source="s",change="joined"}': 2, 'discovery_changes_total{source="s",change="left"}': 1 },
  },
  {
    name: 'findingsLeftOut',
    fire: (events) => events.findingsLeftOut('s', ['names the gateway itself (10.0.0.1:80)']),
    line: { level: 'warn', event: 'source.left_out', msg: 's names the gateway itself (10.0.0.1:80).', source: 's' },
    samples: {},
  },
  {
    name: 'storeFailed',
    fire: (events) => events.storeFailed('memory'),
    line: { level: 'debug', event: 'store', reason: 'memory' },
    samples: { 'store_errors_total{reason="memory"}': 1 },
  },
  {
    name: 'storeMissed',
    fire: (events) => events.storeMissed('limits'),
    line: { level: 'debug', event: 'store', reason: 'limits' },
    samples: { 'store_fallback_total{what="limits"}': 1 },
  },
  {
    name: 'rejected',
    fire: (events) => events.rejected(callOf(), 'queue_full'),
    line: { level: 'info', event: 'admission', msg: 'request rejected', reason: 'queue_full' },
    samples: { 'admission_total{decision="rejected",reason="queue_full"}': 1, 'queue_rejections_total{reason="queue_full"}': 1 },
  },
  {
    name: 'lineEnded',
    fire: (events) => events.lineEnded('failed', 250),
    line: { level: 'debug', event: 'batch.line', outcome: 'failed', duration_ms: 250 },
    samples: {
      'batch_lines_total{result="failed"}': 1,
      ...{ batch_line_seconds_count: 1, batch_line_seconds_sum: 0.25 },
      'batch_line_seconds_bucket{le="0.5"}': 1,
    },
  },
  {
    name: 'batchEnded',
    fire: (events) => events.batchEnded({ id: 'batch_1', status: 'expired', total: 9, completed: 5, failed: 1 }),
    line: {
      ...{ level: 'info', event: 'batch.end', batch: 'batch_1' },
      msg: 'A batch is expired: 5 of 9 lines have an answer, 1 an error, 3 did not run.',
    },
    samples: {},
  },
  {
    name: 'batchPaused',
    fire: (events) => events.batchPaused('batch_1', 'The key app has been taken out.'),
    line: { level: 'warn', event: 'batch.paused', batch: 'batch_1', reason: 'The key app has been taken out.' },
    samples: {},
  },
  {
    name: 'batchLeft',
    fire: (events) => events.batchLeft(MODEL, 3, [20, 15, 5]),
    line: { level: 'debug', event: 'batch', model: MODEL, batch_size: 3, waited_max_ms: 20 },
    samples: {
      batch_size_count: 1,
      batch_size_sum: 3,
      batch_window_wait_seconds_count: 3,
      'batch_window_wait_seconds_bucket{le="0.01"}': 1,
    },
  },
  {
    name: 'windowChanged',
    fire: (events) => events.windowChanged(MODEL, 50, 20, 6000, 5000),
    line: { level: 'info', event: 'window', msg: 'batch window narrowed', from_ms: 50, to_ms: 20, p95_ms: 6000, slo_ms: 5000 },
    samples: {},
  },
  {
    name: 'routed',
    fire: (events) => events.routed(callOf(), 'w0'),
    line: { level: 'debug', event: 'route', worker: 'w0' },
    samples: { 'routed_requests_total{worker="w0"}': 1 },
  },
  {
    name: 'attemptEnded',
    fire: (events) =>
      events.attemptEnded(callOf({ attempts: 1 }), { ...newAttempt('w0', null), verdict: { kind: 'failure', reason: 'connect' } }),
    line: { level: 'debug', event: 'attempt', worker: 'w0', attempts: 1, outcome: 'failure', reason: 'connect' },
    samples: {},
  },
  {
    name: 'retried',
    fire: (events) => events.retried(callOf({ worker: 'w0', attempts: 1 }), 'upstream'),
    line: { level: 'info', event: 'retry', reason: 'upstream', worker: 'w0', attempts: 1 },
    samples: { 'retries_total{reason="upstream"}': 1 },
  },
  {
    name: 'fellBack',
    fire: (events) => events.fellBack(callOf(), 'another-model', 'queue_full'),
    line: { level: 'info', event: 'fallback', model: MODEL, fallback: 'another-model', reason: 'queue_full' },
    samples: { [`fallbacks_total{model="${MODEL}",fallback="unknown",reason="queue_full"}`]: 1 },
  },
  {
    name: 'resumeEnded',
    fire: (events) => events.resumeEnded(callOf({ worker: 'w0', attempts: 2 }), 'resumed'),
    line: { level: 'info', event: 'resume', outcome: 'resumed', worker: 'w0', attempts: 2 },
    samples: { [`resumes_total{model="${MODEL}",outcome="resumed"}`]: 1 },
  },
  {
    name: 'sessionsEnded',
    fire: (events) => events.sessionsEnded('worker_gone', 3),
    line: { level: 'debug', event: 'session', reason: 'worker_gone', sessions: 3 },
    samples: { 'sessions_evicted_total{reason="worker_gone"}': 3 },
  },
  {
    name: 'prefixRouted',
    fire: (events) => events.prefixRouted(callOf(), 'spilled', 12, 5),
    line: { level: 'debug', event: 'prefix', reason: 'spilled', blocks: 12, matched_blocks: 5 },
    samples: { 'prefix_calls_total{result="spilled"}': 1, prefix_blocks_total: 12, prefix_matched_blocks_total: 5 },
  },
  {
    name: 'breakerChanged',
    fire: (events) => events.breakerChanged('w0', 'closed', 'open', '5 failures in a row'),
    line: { level: 'warn', event: 'breaker', worker: 'w0', from: 'closed', to: 'open', reason: '5 failures in a row' },
    samples: { 'breaker_transitions_total{worker="w0",from="closed",to="open",reason="other"}': 1 },
  },
  {
    name: 'workerChanged',
    fire: (events) => events.workerChanged(viewOf(), null),
    line: { level: 'info', event: 'worker.state', worker: 'w0', state: 'ready', models: [MODEL] },
    samples: {},
  },
  {
    name: 'pressureChanged',
    fire: (events) => events.pressureChanged('w0', 'warm', 'critical', 0.9612345),
    line: { level: 'warn', event: 'pressure', worker: 'w0', from: 'warm', to: 'critical', kv_usage_ratio: 0.961 },
    samples: {},
  },
  {
    name: 'canaryChanged',
    fire: (events) => events.canaryChanged({ result: 'rolled_back', group: 'canary', share: 0, message: 'All calls go to main again.' }),
    line: { level: 'warn', event: 'canary', msg: 'All calls go to main again.', state: 'rolled_back' },
    samples: { 'canary_decisions_total{result="rolled_back"}': 1, canary_share_ratio: 0 },
  },
  {
    name: 'configReloaded',
    fire: (events) => events.configReloaded({ ok: false, changed: [], needsRestart: [], error: 'headgate.yaml:3:5 no such key' }),
    line: { level: 'error', event: 'config.reload', message: 'headgate.yaml:3:5 no such key' },
    samples: { config_last_reload_successful: 0 },
  },
  {
    name: 'draining',
    fire: (events) => events.draining('end', 0, 1500),
    line: { level: 'info', event: 'drain', stage: 'end', in_flight: 0, duration_ms: 1500 },
    samples: { shutdown_duration_seconds: 1.5 },
  },
];

describe('events', () => {
  it.each(CASES)('$name: its counters and its one line', async ({ fire, line, samples }) => {
    const scene = createScene();
    fire(scene.events);
    expect(scene.lines()).toEqual([expect.objectContaining(line)]);
    expect(await scene.samples()).toMatchObject(samples);
  });

  it('has a case here for each', () => {
    expect([...new Set(CASES.map(({ name }) => name))].toSorted()).toEqual(Object.keys(createScene().events).toSorted());
  });

  it('never puts a prompt or a key into a line or on the page', async () => {
    const scene = createScene({}, 'trace');
    for (const { fire } of CASES) fire(scene.events);
    const page = Object.keys(await scene.samples()).join();
    for (const secret of Object.values(SECRETS)) {
      expect(scene.text()).not.toContain(secret);
      expect(page).not.toContain(secret);
    }
  });

  it('writes nothing of the daily traffic at the default level but the end of each request', () => {
    const scene = createScene({}, 'info');
    const call = callOf();
    scene.events.requestStarted(call);
    scene.events.admitted(call);
    scene.events.batchLeft(MODEL, 1, [5]);
    scene.events.routed(call, 'w0');
    scene.events.requestEnded(call, { kind: 'complete', status: 200 }, 200);
    expect(scene.lines().map(({ event }) => event)).toEqual(['request.end']);
  });

  it('never throws, whatever it is given and even without a log', () => {
    const { metrics, clock } = createScene();
    const broken = new Proxy({} as Log, {
      get() {
        throw new Error('no log');
      },
    });
    const events = fanOut([createEvents({ metrics, log: broken, clock })], lostEvent(broken));
    for (const { fire } of CASES) expect(() => fire(events)).not.toThrow();
    for (const handler of Object.values(createScene().events)) expect(() => (handler as (call: null) => void)(null)).not.toThrow();
  });

  it('shows a reload that worked after one that did not', async () => {
    const scene = createScene();
    scene.events.configReloaded({ ok: false, changed: [], needsRestart: [], error: 'bad' });
    scene.events.configReloaded({ ok: true, changed: ['batch_window.window_ms'], needsRestart: ['server.port'], error: null });
    expect(await scene.samples('config_')).toEqual({ config_last_reload_successful: 1 });
    expect(scene.lines().at(-1)).toMatchObject({ level: 'info', changed: ['batch_window.window_ms'], needs_restart: ['server.port'] });
  });

  it('tells a store that answers, and by how many gateways it is used', () => {
    const scene = createScene();
    scene.events.storeChanged({ isUp: true, server: 'db:6379', gateways: 1 });
    scene.events.storeChanged({ isUp: true, server: 'db:6379', gateways: 2 });
    expect(scene.lines('store.up').map(({ msg }) => msg)).toEqual([
      'The store at db:6379 answers: one gateway counts in it.',
      'The store at db:6379 answers: 2 gateways count in it.',
    ]);
  });

  it('warns when requests are cut off at the end of a drain', () => {
    const scene = createScene();
    scene.events.draining('cutting', 2, 30_000);
    scene.events.draining('cutting', 0, 30_000);
    expect(scene.lines('drain').map(({ level }) => level)).toEqual(['warn', 'info']);
  });
});
