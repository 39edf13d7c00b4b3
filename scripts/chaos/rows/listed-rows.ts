import { setTimeout as delay } from 'node:timers/promises';
import { badCertificate, whyNoCertificate } from '../faults/certificate.ts';
import { FaultyWorker } from '../faults/faulty-worker.ts';
import { statsOf } from '../gateway/look.ts';
import { refusedFor } from '../law/proofs.ts';
import { until } from '../../shows/scene.ts';
import type { Row } from './row.ts';
import { workersAt } from './settings.ts';
import type { Stage } from './stage.ts';

const KNOWN_MS = 10_000;

/** One more worker, by a reload, which the gateway then lists and does not find ready. */
async function withWorker(stage: Stage, url: string): Promise<void> {
  const status = await stage.reload(stage.settings({ workers: workersAt([stage.line.url, stage.b.url, url]) }));
  stage.noted.statuses.push(status);
  const isListed = async (): Promise<boolean> => {
    const listed = (await statsOf(stage.gateway))?.workers ?? [];
    return listed.length === 3 && listed[2]!.state !== 'ready' && listed.slice(0, 2).every(({ state }) => state === 'ready');
  };
  await until(isListed, 'the third worker is listed, and not ready', KNOWN_MS);
  stage.struck++;
}

/** Back to two workers. Until then the third was listed and never ready. */
async function withoutWorker(stage: Stage): Promise<void> {
  const third = (await statsOf(stage.gateway))?.workers[2];
  if (third === undefined || third.state === 'ready') stage.noted.said.push(`the third worker is ${third?.state ?? 'not listed any more'}`);
  const statuses = [...stage.noted.statuses, await stage.reload(stage.settings())];
  if (statuses.some((status) => status !== 202 && status !== 200))
    stage.noted.said.push(`the reloads were answered ${statuses.join(', ')}`);
  await until(async () => (await statsOf(stage.gateway))?.workers.length === 2, 'two workers are listed', KNOWN_MS);
}

/** The figures of workers are asked for while they are not sound: so often has this struck. */
function figuresRow(figures: 'silent' | 'nonsense', over: Pick<Row, 'name' | 'fault' | 'how'>): Row {
  return {
    ...over,
    holds: 'every call answered',
    strike: ({ a }) => void (a.figures = figures),
    hold: async (stage) => {
      await until(() => stage.a.figuresAsked > 0, 'figures are asked for', KNOWN_MS);
      await delay(2_500);
      stage.struck += stage.a.figuresAsked;
    },
    heal: ({ a }) => a.heal(),
    allOk: true,
  };
}

let stranger: FaultyWorker | null = null;

/** Rows in which a worker tells nothing sound of itself, or is listed and cannot be reached. */
export const LISTED_ROWS: readonly Row[] = [
  figuresRow('silent', { name: 'stale-metrics', fault: 'metrics that never come', how: 'GET /metrics of a worker is never answered' }),
  figuresRow('nonsense', { name: 'odd-metrics', fault: 'metrics that are none', how: 'GET /metrics of a worker is answered with garbage' }),
  {
    name: 'kv-full',
    fault: 'KV caches that are full',
    how: 'both workers tell 99 % and 50 waiting',
    holds: 'calls are refused for it, cleanly, and go on by themselves',
    strike: (stage) => {
      for (const worker of stage.workers) worker.figures = 'full';
    },
    hold: async (stage) => {
      await delay(2_500);
      stage.struck += Math.min(stage.a.figuresAsked, stage.b.figuresAsked);
    },
    proofs: [refusedFor('kv_pressure')],
    heal: ({ workers }) => workers.forEach((worker) => worker.heal()),
  },
  {
    name: 'dns',
    fault: 'a worker whose name is not known',
    how: 'added by a reload, taken out by another',
    holds: 'every call answered, the worker listed and not ready',
    strike: (stage) => withWorker(stage, 'http://no-such-worker.invalid:8000'),
    heal: withoutWorker,
    allOk: true,
  },
  {
    name: 'bad-certificate',
    fault: 'a worker with a bad certificate',
    how: 'TLS, signed by itself for another name; added by a reload',
    holds: 'every call answered, none by that worker',
    missing: whyNoCertificate,
    setting: async (cleanUp) => {
      stranger = new FaultyWorker({ tls: await badCertificate() });
      await stranger.listen();
      cleanUp(() => stranger?.die());
      return {};
    },
    strike: (stage) => withWorker(stage, stranger!.url),
    heal: withoutWorker,
    allOk: true,
    check: () => (stranger!.asked.size === 0 ? [] : ['a worker with a bad certificate was asked']),
  },
];
