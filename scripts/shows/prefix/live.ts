import { setTimeout as delay } from 'node:timers/promises';
import { freePort, Scene, type SceneSettings, say, until } from '../scene.ts';
import { askTurn } from './live-call.ts';
import { type CallSeen, type Figures, figuresOf, ratioOf, type Run } from './figures.ts';
import { type Arrival, type Load, LOADS, type Turn } from './loads.ts';
import { ratioText, tableOf } from './table.ts';

const BLOCK_SIZE = 16;
const START_MS = 180_000;
/** The engines take so much of the time that their card would, and so do pauses and what comes between calls. */
const SPEED = 0.4;
const ARMS = { p2c: 'none', tree: 'prefix' } as const;
type Arm = keyof typeof ARMS;

/**
 * Agents on four simulated engines behind a gateway, in pairs of the two arms, now the one first and now the other. `seconds`: of the load,
 * before it is made faster. @returns whether the tree was faster
 */
export async function showLive(seconds: number, pairs: number): Promise<boolean> {
  const load = LOADS[0]!;
  using scene = await Scene.open({}, {});
  const urls = await startEngines(scene, load);
  const workers = urls.map((url) => ({ url, max_num_seqs: load.seats }));
  const settings = (arm: Arm): SceneSettings => ({ workers, load_balancer: { affinity: ARMS[arm], slow_start_ms: 0 } });
  scene.set(settings('p2c'));
  scene.start('gateway');
  await scene.ready();
  await until(() => areReady(scene, urls.length), 'all workers are ready', START_MS);
  const runs: Record<Arm, Figures[]> = { p2c: [], tree: [] };
  for (let pair = 1; pair <= pairs; pair++) {
    const order: readonly Arm[] = pair % 2 === 0 ? ['p2c', 'tree'] : ['tree', 'p2c'];
    for (const arm of order) {
      scene.set(settings(arm));
      const reloaded = await scene.admin('/admin/reload', 'POST');
      if (reloaded?.ok !== true) throw new Error(`the gateway did not take ${arm}: ${await reloaded?.text()}`);
      const run = await liveRun(scene, urls, load, load.arrivals(pair), seconds * 1000 * SPEED, `${pair}-${arm}`);
      runs[arm].push(figuresOf(run));
      say(`  pair ${pair}, ${arm}: ${run.calls.length} calls, hits ${((100 * run.hits) / run.queries).toFixed(1)} %`);
    }
  }
  for (const line of tableOf(new Map(Object.entries(runs)))) say(line);
  const ratio = ratioOf(
    runs.tree.map(({ ttftMean }) => ttftMean),
    runs.p2c.map(({ ttftMean }) => ttftMean),
    1,
  );
  say(`  mean TTFT, tree against p2c: ${ratioText(ratio)}`);
  const stats = (await (await fetch(`${scene.url}/stats`)).json()) as { readonly prefixes: object };
  say(`  /stats.prefixes: ${JSON.stringify(stats.prefixes)}`);
  return ratio.ratio < 1;
}

async function startEngines(scene: Scene, load: Load): Promise<string[]> {
  const first = await freePort(load.workers);
  const urls = Array.from({ length: load.workers }, (_, at) => `http://127.0.0.1:${first + at}`);
  const blocks = String(Math.floor(load.kvTokens / BLOCK_SIZE));
  for (const [at] of urls.entries()) {
    const env = { SIM_GPU: load.gpu, SIM_START_MS: '0', SIM_SPEED: String(SPEED), SIM_SEED: String(at + 1) };
    const flags = ['--port', String(first + at), '--max-num-seqs', String(load.seats), '--num-gpu-blocks-override', blocks];
    scene.startWith(env, 'sim', 'serve', load.model, '--max-model-len', '16384', ...flags);
  }
  const isWell = async (url: string): Promise<boolean> => (await fetch(`${url}/health`).catch(() => null))?.status === 200;
  for (const url of urls) await until(() => isWell(url), `the engine on ${url} is up`, START_MS);
  return urls;
}

async function areReady(scene: Scene, count: number): Promise<boolean> {
  const { workers } = (await (await scene.admin('/admin/status'))!.json()) as { readonly workers: readonly { readonly state: string }[] };
  return workers.length === count && workers.every(({ state }) => state === 'ready');
}

/** Nothing is asked any more after `forMs`. `salt`: no prompt of this run is in any cache of another's. */
async function liveRun(
  scene: Scene,
  urls: readonly string[],
  load: Load,
  arrivals: readonly Arrival[],
  forMs: number,
  salt: string,
): Promise<Run> {
  const before = await countsOf(urls);
  const calls: CallSeen[] = [];
  const imbalances: number[] = [];
  const inFlight = new Map<string, number>();
  const talk = async (turn: Turn): Promise<void> => {
    for (let asked: Turn | null = turn; asked !== null;) {
      const all = [...inFlight.values()].reduce((sum, count) => sum + count, 0);
      if (all > 0) imbalances.push((Math.max(...inFlight.values()) * load.workers) / all);
      const answer = await askTurn(scene.url, load.model, asked, salt, (worker, change) =>
        inFlight.set(worker, (inFlight.get(worker) ?? 0) + change),
      );
      calls.push({ kind: asked.kind, ttftMs: answer.ttftMs, e2eMs: answer.e2eMs });
      if (asked.next === null) return;
      const { afterMs, turn: next } = asked.next([...asked.messages, { role: 'assistant', content: answer.text }]);
      await delay(afterMs * SPEED);
      if (performance.now() - start > forMs) return;
      asked = next;
    }
  };
  const start = performance.now();
  const talks: Promise<void>[] = [];
  for (const { atMs, turn } of arrivals) {
    if (atMs * SPEED > forMs) break;
    await delay(Math.max(0, start + atMs * SPEED - performance.now()));
    talks.push(talk(turn));
  }
  await Promise.all(talks);
  const after = await countsOf(urls);
  const imbalance = imbalances.reduce((sum, value) => sum + value, 0) / imbalances.length;
  const [queries, hits, computed] = after.map((value, at) => value - before[at]!) as [number, number, number];
  return { calls, queries, hits, prefilled: computed, imbalance };
}

/** Tokens that all engines together have looked up in their caches, found there, and computed. */
async function countsOf(urls: readonly string[]): Promise<number[]> {
  const pages = await Promise.all(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()));
  const sum = (name: string): number =>
    pages.reduce((total, page) => total + Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, 'm').exec(page)?.[1] ?? NaN), 0);
  const [queries, hits] = [sum('vllm:prefix_cache_queries_total'), sum('vllm:prefix_cache_hits_total')];
  return [queries, hits, queries - hits];
}
