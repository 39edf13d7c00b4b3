import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { askState } from '../../../gateway/link/ask-state.ts';
import type { SupervisorSnapshot } from '../../../gateway/link/snapshot.ts';
import { childrenOf, kill, until } from '../../shows/scene.ts';
import type { Row } from './row.ts';
import type { Setting, Stage } from './stage.ts';

const MODEL = 'qwen2.5-1.5b-instruct-awq';
const READY_MS = 30_000;
/** An engine that has died loads its model again. */
const RESTART_MS = 45_000;

function engines(count: number, env: Readonly<Record<string, string>> = {}): Setting {
  return {
    engines: count,
    everyMs: 40,
    settings: {
      models: [{ id: MODEL, engine: { 'max-num-seqs': 16 } }],
      supervisor: { engine: 'sim', replicas: count },
      single_flight: { enabled: false },
      database: { url: 'auto' },
    },
    gateway: { env: { SIM_FAULTS: '1', SIM_START_MS: '200', SIM_SPEED: '0.2', SIM_GPU: Array(count).fill('rtx-4080').join(','), ...env } },
  };
}

function stateOf(stage: Stage): Promise<SupervisorSnapshot | null> {
  return askState(join(stage.gateway.folder, '.headgate', 'control.sock'));
}

/** The first engine, with its process. */
async function firstEngine(stage: Stage): Promise<{ readonly pid: number; readonly url: string }> {
  const worker = (await stateOf(stage))?.workers[0];
  if (!worker || worker.pid === null || worker.url === null) throw new Error('the first engine does not run');
  return { pid: worker.pid, url: worker.url };
}

/** As SIM_FAULTS lets one ask of a simulated engine. */
async function strikeEngine(stage: Stage, fault: string): Promise<void> {
  const { url } = await firstEngine(stage);
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ fault, count: 1, after_tokens: 0 });
  // One that is killed at once does not say so.
  const answer = await fetch(`${url}/sim/fault`, { method: 'POST', headers, body }).catch(() => null);
  if (answer?.ok === false) throw new Error(`the simulated engine would not: ${await answer.text()}`);
  await answer?.arrayBuffer().catch(() => null);
  stage.struck++;
}

async function whenReady(stage: Stage): Promise<void> {
  await until(
    async () => (await stateOf(stage))?.workers.every(({ state }) => state === 'ready') === true,
    'every engine is ready again',
    READY_MS,
  );
}

async function notAdopted(stage: Stage): Promise<string[]> {
  const { pid } = await firstEngine(stage);
  return pid === stage.noted.enginePid ? [] : [`the engine ${stage.noted.enginePid} was not taken over; now there is ${pid}`];
}

const USUAL = { noLines: true, recoverMs: RESTART_MS } as const;
const STARTS_AGAIN = 'calls go to the other engine; it is started again';

/** Rows under `headgate serve` with simulated engines: what happens to engines and their supervisor. */
export const ENGINE_ROWS: readonly Row[] = [
  {
    ...USUAL,
    name: 'kill-engine',
    fault: 'kill -9 of an engine',
    how: 'SIGKILL to one of two simulated engines under the supervisor',
    holds: STARTS_AGAIN,
    setting: engines(2),
    strike: async (stage) => {
      kill((await firstEngine(stage)).pid);
      stage.struck++;
    },
    heal: whenReady,
  },
  {
    ...USUAL,
    name: 'kill-core',
    fault: 'kill -9 of an engine’s core',
    how: 'SIGKILL to the child that holds the card; the API process ends with exit code 0',
    holds: STARTS_AGAIN,
    setting: engines(2),
    strike: async (stage) => {
      kill(childrenOf((await firstEngine(stage)).pid)[0]!);
      stage.struck++;
    },
    heal: whenReady,
  },
  {
    ...USUAL,
    name: 'oom',
    fault: 'GPU memory that runs out',
    how: 'the engine core ends of CUDA out of memory under load',
    holds: `${STARTS_AGAIN}, asking for less memory`,
    setting: engines(2),
    strike: (stage) => strikeEngine(stage, 'oom-runtime'),
    heal: whenReady,
  },
  {
    ...USUAL,
    name: 'host-oom',
    fault: 'an engine that the system kills for its memory',
    how: 'every process of it is killed at once',
    holds: STARTS_AGAIN,
    setting: engines(2),
    strike: (stage) => strikeEngine(stage, 'host-oom'),
    heal: whenReady,
  },
  {
    ...USUAL,
    name: 'crash-loop',
    fault: 'a crash loop',
    how: 'the only engine is killed each time it is up, four times',
    holds: 'the gateway goes on answering; each start again is told',
    setting: engines(1),
    strike: async (stage) => {
      for (let i = 0; i < 4; i++) {
        const state = await stateOf(stage);
        const pid = state?.workers[0]?.pid ?? null;
        if (pid !== null && kill(pid)) stage.struck++;
        await delay(700);
      }
    },
    heal: async (stage) => {
      const worker = (await stateOf(stage))?.workers[0];
      // Given up: an operator starts it again.
      if (worker) await stage.gateway.admin(`/admin/workers/${worker.id}/restart`, 'POST');
      await whenReady(stage);
    },
  },
  {
    ...USUAL,
    name: 'kill-supervisor',
    fault: 'kill -9 of the supervisor',
    how: 'SIGKILL; the gateway starts another, which takes the engines over',
    holds: 'every call answered, the same engine process afterwards',
    setting: engines(1),
    strike: async (stage) => {
      stage.noted.enginePid = (await firstEngine(stage)).pid;
      const { pid } = (await stateOf(stage))!;
      kill(pid);
      stage.struck++;
      await until(async () => ((await stateOf(stage))?.pid ?? pid) !== pid, 'another supervisor', READY_MS);
    },
    heal: whenReady,
    check: ({ stage }) => notAdopted(stage),
    allOk: true,
  },
  {
    ...USUAL,
    name: 'kill-serve',
    fault: 'kill -9 of headgate serve',
    how: 'SIGKILL to it; started again as a service manager would',
    holds: 'its engine is taken over: the same process afterwards',
    setting: engines(1),
    strike: async (stage) => {
      stage.noted.enginePid = (await firstEngine(stage)).pid;
      stage.gateway.signal('SIGKILL');
      stage.struck++;
      await stage.gateway.exit(5_000);
    },
    heal: async (stage) => {
      stage.gateway.launch();
      await stage.gateway.ready();
      await whenReady(stage);
    },
    check: ({ stage }) => notAdopted(stage),
    terms: { isKilled: true },
    holdMs: 300,
  },
];
