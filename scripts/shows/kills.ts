import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { type Batch, chatLine, endedLines, faultsOf, resultsOf, submit, whenEnded } from './batch.ts';
import { childrenOf, kill, Scene, until } from './scene.ts';

const VICTIMS = ['gateway', 'supervisor', 'engine', 'engine core'] as const;
type Victim = (typeof VICTIMS)[number];

export interface Kill {
  readonly victim: Victim;
  /** How many lines had ended. */
  readonly at: number;
  /** Since the start of the batch. */
  readonly atMs: number;
  /** Until another line had ended, however often somebody was killed meanwhile; null: that was the end of the batch. */
  goesOnMs: number | null;
  /** Its supervisor had given the engine up, and an operator started it again. */
  restartedByHand: boolean;
}

export interface KillsShown {
  readonly kills: readonly Kill[];
  readonly batch: Batch;
  /** What is wrong; empty: every line is there once, and none has failed. */
  readonly faults: readonly string[];
  readonly ms: number;
}

interface Asked {
  readonly lines: number;
  readonly kills: number;
  /** Who is killed, one after the other. Default: whom chance chooses. */
  readonly victims?: readonly Victim[];
  /** Numbers from 0 on below 1, the same for the same seed. */
  readonly random: () => number;
  readonly limitMs: number;
}

const MODEL = 'qwen2.5-1.5b-instruct-awq';
/** Of each answer: a line takes half a second, so that a batch of 2,000 takes a minute. */
const TOKENS = 64;
/** Of four kills one does not wait until things go on after the one before. */
const SHARE_AT_ONCE = 0.25;
const AT_ONCE_MS = 2_000;
const LOOK_MS = 50;
/** What had been answered before a kill may be counted so long after it. */
const SETTLED_MS = 400;
/** So many lines at the end are left alone, so that every kill meets a batch that runs. */
const LAST_SHARE = 0.03;

/**
 * Runs a batch under `headgate serve` with the simulated engine and kills the gateway, the supervisor, the engine or its core by SIGKILL, at
 * moments of its way that chance chooses. The gateway is started again as systemd would; everybody else is the gateway's and the
 * supervisor's to start again, but for an engine that its supervisor has given up, which an operator restarts.
 */
export async function killsShown({ lines, kills: count, victims, random, limitMs }: Asked): Promise<KillsShown> {
  const settings = { models: [{ id: MODEL, engine: { 'max-num-seqs': 16 } }], shutdown: { settle_ms: 0 }, log: { level: 'warn' } };
  using scene = await Scene.open(settings, { SIM_START_MS: '300', SIM_SPEED: '1' });
  const gateway = new Gateway(scene);
  await scene.ready();
  const names = Array.from({ length: lines }, (_, at) => `line-${at}`);
  const begun = performance.now();
  const id = await submit(
    scene.url,
    names.map((name) => chatLine(name, `Say something of ${name}.`, MODEL, TOKENS)),
  );
  const moments = Array.from({ length: count }, () => Math.floor(random() * lines * (1 - LAST_SHARE))).toSorted((a, b) => a - b);
  const kills: Kill[] = [];
  let last = 0;
  const watch = watchLines(scene.url, id, (ended) => {
    if (ended <= last) return;
    last = ended;
    for (const each of kills) {
      const ms = performance.now() - begun - each.atMs;
      if (ms > SETTLED_MS || each.victim === 'supervisor') each.goesOnMs ??= ms;
    }
  });
  const keeper = keepEngine(scene, () => {
    const latest = kills.findLast(({ victim }) => victim.startsWith('engine'));
    if (latest) latest.restartedByHand = true;
  });
  const end = begun + limitMs;
  try {
    for (const [index, moment] of moments.entries()) {
      const atOnce = kills.length > 0 && random() < SHARE_AT_ONCE;
      const victim = victims?.[index] ?? VICTIMS[Math.floor(random() * VICTIMS.length)]!;
      const restMs = random() * AT_ONCE_MS;
      if (atOnce) await delay(restMs);
      else {
        await until(() => last >= lines || kills.every(({ goesOnMs }) => goesOnMs !== null), 'lines go on', end - performance.now());
        await until(() => last >= moment, `${moment} lines`, end - performance.now());
      }
      await until(async () => killed(victim, gateway, scene), `a ${victim} to kill`, end - performance.now());
      kills.push({ victim, at: last, atMs: performance.now() - begun, goesOnMs: null, restartedByHand: false });
    }
    const batch = await whenEnded(scene.url, id, end - performance.now());
    const [output, errors] = [await resultsOf(scene.url, batch.output_file_id), await resultsOf(scene.url, batch.error_file_id)];
    const faults = faultsOf(batch, names, output, errors);
    for (const { custom_id: name, response } of errors) faults.push(`${name} has failed: ${JSON.stringify(response)}`);
    return { kills, batch, faults, ms: performance.now() - begun };
  } finally {
    watch.stop();
    keeper.stop();
    gateway.stop();
  }
}

/** `headgate serve`, started again a second after its end, as a unit with Restart=always is. */
class Gateway {
  readonly #scene: Scene;
  #child: ChildProcess;
  #isStopped = false;

  constructor(scene: Scene) {
    this.#scene = scene;
    this.#child = this.#start();
  }

  /** @returns whether it ran */
  kill(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null && this.#child.kill('SIGKILL');
  }

  stop(): void {
    this.#isStopped = true;
  }

  #start(): ChildProcess {
    const child = this.#scene.start('serve', '--engine', 'sim');
    child.once('exit', () => {
      const timer = setTimeout(() => {
        if (!this.#isStopped) this.#child = this.#start();
      }, 1_000);
      timer.unref();
    });
    return child;
  }
}

/** @returns false: there is none just now */
async function killed(victim: Victim, gateway: Gateway, scene: Scene): Promise<boolean> {
  if (victim === 'gateway') return gateway.kill();
  const state = await scene.state();
  if (state === null) return false;
  if (victim === 'supervisor') return kill(state.pid);
  const worker = state.workers[0];
  if (worker?.state !== 'ready' || worker.pid === null) return false;
  const pid = victim === 'engine' ? worker.pid : childrenOf(worker.pid)[0];
  return pid !== undefined && kill(pid);
}

function watchLines(url: string, id: string, seen: (ended: number) => void): { stop(): void } {
  let isStopped = false;
  void (async () => {
    for (; !isStopped; await delay(LOOK_MS)) {
      const ended = await endedLines(url, id);
      if (ended !== null) seen(ended);
    }
  })();
  return { stop: () => (isStopped = true) };
}

/** An operator who looks once a second, and restarts an engine that was given up. */
function keepEngine(scene: Scene, onRestart: () => void): { stop(): void } {
  let isStopped = false;
  void (async () => {
    for (; !isStopped; await delay(1_000)) {
      const worker = (await scene.state())?.workers[0];
      if (worker?.state !== 'failed') continue;
      const told = await scene.admin(`/admin/workers/${worker.id}/restart`, 'POST');
      if (told?.ok) onRestart();
    }
  })();
  return { stop: () => (isStopped = true) };
}
