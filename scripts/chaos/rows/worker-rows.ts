import { setTimeout as delay } from 'node:timers/promises';
import { badCertificate, whyNoCertificate } from '../faults/certificate.ts';
import { FaultyWorker } from '../faults/faulty-worker.ts';
import type { Row } from './row.ts';
import { workersAt } from './settings.ts';
import type { Stage } from './stage.ts';

const allDown: Pick<Row, 'strike' | 'heal'> = {
  strike: ({ line, b }) => Promise.all([line.close(), b.die()]),
  heal: ({ line, b }) => Promise.all([line.reopen(), b.revive()]),
};

/** One more worker, by a reload; and without it. */
async function withWorker(stage: Stage, url: string): Promise<void> {
  await stage.reload(stage.settings({ workers: workersAt([stage.line.url, stage.b.url, url]) }));
  stage.struck++;
}

async function poisoned(stage: Stage): Promise<void> {
  for (const worker of stage.workers) worker.behave('crash', { only: 'poison-0' });
  await stage.askAlone('poison-0');
  await delay(200);
}

/** Rows in which a worker ends, hangs, comes back, or is another than it was. */
export const WORKER_ROWS: readonly Row[] = [
  {
    name: 'refuse',
    fault: 'a worker that refuses connections',
    how: 'its port is closed, its connections reset',
    holds: 'calls go to the other worker',
    strike: ({ line }) => line.close(),
    heal: ({ line }) => line.reopen(),
  },
  {
    name: 'kill-worker',
    fault: 'kill -9 of a worker under load',
    how: 'SIGKILL to its process, started again a second later',
    holds: 'calls go to the other worker',
    setting: { isProcess: true },
    strike: async (stage) => {
      await stage.program!.kill();
      stage.struck++;
    },
    heal: ({ program }) => program!.start(),
  },
  {
    name: 'stop-worker',
    fault: 'a worker that is stopped',
    how: 'SIGSTOP to its process, SIGCONT a second later',
    holds: 'calls go to the other worker',
    setting: { isProcess: true },
    strike: (stage) => {
      stage.program!.signal('SIGSTOP');
      stage.struck++;
    },
    heal: ({ program }) => program!.signal('SIGCONT'),
  },
  {
    name: 'worker-loop',
    fault: 'a worker that comes and goes',
    how: 'its process killed and started five times',
    holds: 'calls go to the other worker',
    setting: { isProcess: true },
    strike: async (stage) => {
      for (let i = 0; i < 5; i++) {
        await stage.program!.kill();
        stage.struck++;
        await stage.program!.start();
        await delay(150);
      }
    },
    heal: () => undefined,
    holdMs: 100,
  },
  {
    name: 'all-down',
    fault: 'all workers down',
    how: 'both ports closed, connections reset, back after a second',
    holds: 'refusals are clean, calls go on by themselves',
    ...allDown,
  },
  {
    name: 'long-down',
    fault: 'all workers down, and back after a while',
    how: 'both ports closed for 8 s',
    holds: 'refusals are clean, calls go on by themselves',
    ...allDown,
    holdMs: 8_000,
  },
  {
    name: 'window-death',
    fault: 'a worker that dies while the window is open',
    how: 'window of 200 ms; its port closed 50 ms after a burst of 12',
    holds: 'calls go to the other worker',
    setting: { settings: { batch_window: { window_ms: 200, max_batch_size: 64 } } },
    strike: async ({ traffic, line }) => {
      traffic.send(12);
      await delay(50);
      await line.close();
    },
    heal: ({ line }) => line.reopen(),
  },
  {
    name: 'other-model',
    fault: 'a worker that comes back with another model',
    how: 'restarted on its port, serving another name',
    holds: 'every answer by the right model',
    strike: async ({ a }) => {
      await a.die();
      a.model = 'another';
      await a.revive();
      a.struck++;
    },
    heal: async ({ a }) => {
      await a.die();
      a.model = 'm';
      await a.revive();
    },
  },
  {
    name: 'poison',
    fault: 'a prompt that kills workers',
    how: 'each worker that reads it resets all connections and is gone for 300 ms',
    holds: 'no more than two workers ask it; all others go on',
    strike: poisoned,
    heal: ({ workers }) => workers.forEach((worker) => worker.heal()),
    check: ({ stage }) => {
      const times = stage.workers.reduce((sum, { asked }) => sum + (asked.get('poison-0') ?? 0), 0);
      return times >= 1 && times <= 2 ? [] : [`the prompt that kills was sent to ${times} workers`];
    },
    terms: { statuses: [422, 429, 502, 503, 504] },
  },
  {
    name: 'stale-metrics',
    fault: 'metrics that never come',
    how: 'GET /metrics of a worker is never answered',
    holds: 'every call answered',
    strike: (stage) => {
      stage.a.figures = 'silent';
      stage.struck++;
    },
    heal: ({ a }) => a.heal(),
    allOk: true,
  },
  {
    name: 'odd-metrics',
    fault: 'metrics that are none',
    how: 'GET /metrics of a worker is answered with garbage',
    holds: 'every call answered',
    strike: (stage) => {
      stage.a.figures = 'nonsense';
      stage.struck++;
    },
    heal: ({ a }) => a.heal(),
    allOk: true,
  },
  {
    name: 'kv-full',
    fault: 'KV caches that are full',
    how: 'both workers tell 99 % and 50 waiting',
    holds: 'refusals are clean, calls go on by themselves',
    strike: (stage) => {
      for (const worker of stage.workers) worker.figures = 'full';
      stage.struck++;
    },
    heal: ({ workers }) => workers.forEach((worker) => worker.heal()),
  },
  {
    name: 'dns',
    fault: 'a worker whose name is not known',
    how: 'added by a reload, taken out by another',
    holds: 'every call answered',
    strike: (stage) => withWorker(stage, 'http://no-such-worker.invalid:8000'),
    heal: (stage) => stage.reload(stage.settings()),
    allOk: true,
  },
  {
    name: 'bad-certificate',
    fault: 'a worker with a bad certificate',
    how: 'TLS, signed by itself for another name; added by a reload',
    holds: 'every call answered, none by that worker',
    missing: whyNoCertificate,
    setting: async (cleanUp) => {
      stranger = new FaultyWorker({ tls: badCertificate() });
      await stranger.listen();
      cleanUp(() => stranger?.die());
      return {};
    },
    strike: (stage) => withWorker(stage, stranger!.url),
    heal: (stage) => stage.reload(stage.settings()),
    allOk: true,
    check: () => (stranger!.asked.size === 0 ? [] : ['a worker with a bad certificate was asked']),
  },
];

let stranger: FaultyWorker | null = null;
