import { setTimeout as delay } from 'node:timers/promises';
import type { AdminStatus } from '../../../gateway/http/pages/admin-answers.ts';
import { seeded } from '../../load/workload/seeded.ts';
import { freePort, Scene } from '../scene.ts';
import { ApiServer } from './api-server.ts';
import { Cluster, NAMESPACE } from './cluster.ts';
import { LATE_MS, Place } from './place.ts';
import { type Tally, Traffic } from './traffic.ts';
import { World } from './world.ts';

interface ChurnOptions {
  readonly events: number;
  readonly seed: number;
  /** Of the gateway. */
  readonly processes?: number;
  /** For how long a call may still come to an address whose pod has gone. Default: two seconds, which a machine that stands still in between takes. */
  readonly lateMs?: number;
  readonly say: (text: string) => void;
}

export interface Churned {
  readonly events: number;
  readonly happened: ReadonlyMap<string, number>;
  /** How long it took each time until the routing table was the truth; null: it never was. */
  readonly settledMs: readonly (number | null)[];
  readonly tally: Tally;
  /** Calls at addresses whose pod had gone for longer than that: by how many milliseconds. */
  readonly late: readonly number[];
  /** Addresses at which such calls were waited for. */
  readonly watched: number;
}

const PLACES = 24;
const CLIENTS = 4;
const REST_MS = 25;
const EVENTS_A_ROUND = 20;
/** Longer than it may be too late, at the end: calls go on. */
const LAST_LOOK_MS = 1_000;
const MOST_GAP_MS = 60;
const SETTLE_MS = 20_000;
const BOOKMARK_MS = 300;
/** The first three bytes of the addresses of pods: of this machine alone. */
const NETWORK = '127.0.83';

/** A gateway in front of pods that come, go and fail by chance, and clients that call all the while. */
export async function churn({ events, seed, processes = 1, lateMs = LATE_MS, say }: ChurnOptions): Promise<Churned> {
  const cluster = new Cluster();
  await using server = await ApiServer.start(cluster);
  const port = await freePort();
  const places = Array.from({ length: PLACES }, (_, n) => new Place(`${NETWORK}.${n + 1}`, port, lateMs));
  await using _places = {
    [Symbol.asyncDispose]: async () => void (await Promise.all(places.map((place) => place[Symbol.asyncDispose]()))),
  };
  const chance = seeded(seed);
  const world = new World(cluster, server, places, chance);
  await world.begin();
  const bookmarks = setInterval(() => server.bookmark(), BOOKMARK_MS);
  using scene = await Scene.open(
    {
      workers: [{ kubernetes: { namespace: NAMESPACE, service: 'vllm', port: 'http' } }],
      discovery: { kubernetes: { api: server.url, idle_ms: 1_000 } },
      retry: { max_attempts: 4, budget_ratio: 1 },
      admission: { queue_timeout_ms: 10_000 },
      load_balancer: { slow_start_ms: 0 },
      log: { level: 'info', format: 'json', keep_mb: 0 },
      batches: { enabled: false },
      server: { processes },
    },
    {},
  );
  try {
    scene.start('gateway');
    await scene.ready();
    const settledMs: (number | null)[] = [];
    let tally: Tally;
    {
      await using traffic = new Traffic(scene.url, CLIENTS, REST_MS);
      ({ tally } = traffic);
      for (let done = 0; done < events;) {
        for (let n = 0; n < EVENTS_A_ROUND && done < events; n += 1, done += 1) {
          await world.happen();
          await delay(chance() * MOST_GAP_MS);
        }
        await world.calm();
        const settled = await settle(scene, world);
        settledMs.push(settled);
        if (settled === null)
          say(
            `after ${done} events the table never was the truth: ${JSON.stringify(await seen(scene))}, not ${JSON.stringify(world.truth())}`,
          );
        else if (settledMs.length % 10 === 0) say(`${done} events, settled after ${Math.round(settled)} ms; ${tally.calls} calls`);
      }
      await delay(lateMs + LAST_LOOK_MS);
    }
    return {
      events,
      happened: world.happened,
      settledMs,
      tally,
      late: places.flatMap(({ late }) => late),
      watched: places.reduce((sum, { watched }) => sum + watched, 0),
    };
  } finally {
    clearInterval(bookmarks);
  }
}

/** @returns how long it took until the gateway knew whom it is to know, and called those who are well */
async function settle(scene: Scene, world: World): Promise<number | null> {
  const begun = performance.now();
  const expected = JSON.stringify(world.truth());
  for (; performance.now() - begun < SETTLE_MS; await delay(25)) {
    if (JSON.stringify(await seen(scene)) === expected) return performance.now() - begun;
  }
  return null;
}

async function seen(scene: Scene): Promise<ReturnType<World['truth']>> {
  const answer = await scene.admin('/admin/status');
  if (answer === null) throw new Error('the gateway does not answer');
  const { workers } = (await answer.json()) as AdminStatus;
  const hosts = (some: AdminStatus['workers']): string[] => some.map(({ url }) => new URL(url).hostname).toSorted();
  const listed = workers.filter(({ state }) => state !== 'draining');
  return { listed: hosts(listed), well: hosts(listed.filter(({ state }) => state === 'ready')) };
}
