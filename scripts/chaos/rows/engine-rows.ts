import { setTimeout as delay } from 'node:timers/promises';
import type { SupervisorSnapshot } from '../../../gateway/link/snapshot.ts';
import { childrenOf, kill, until } from '../../shows/scene.ts';
import { OK_ONCE_AWAY } from '../law/proofs.ts';
import type { Row } from './row.ts';
import { type Setting, type Stage, stateOf } from './stage.ts';

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

type Engine = SupervisorSnapshot['workers'][number] & { readonly pid: number };

/** The first engine, with its process. */
async function firstEngine(stage: Stage): Promise<Engine> {
  const worker = (await stateOf(stage.gateway))?.workers[0];
  if (!worker || worker.pid === null || worker.url === null) throw new Error('the first engine does not run');
  return { ...worker, pid: worker.pid };
}

/** Kills one process of the first engine. */
async function killOf(stage: Stage, which: (engine: number) => number | undefined): Promise<void> {
  const { pid } = await firstEngine(stage);
  stage.noted.enginePid = pid;
  const victim = which(pid);
  if (victim === undefined || !kill(victim)) throw new Error('there was no such process to kill');
  stage.struck++;
}

/** As SIM_FAULTS lets one ask of a simulated engine. */
async function strikeEngine(stage: Stage, fault: string): Promise<void> {
  const { url, pid } = await firstEngine(stage);
  stage.noted.enginePid = pid;
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ fault, count: 1, after_tokens: 0 });
  // One that is killed at once does not say so; that it ended its supervisor says.
  const answer = await fetch(`${url}/sim/fault`, { method: 'POST', headers, body }).catch(() => null);
  if (answer?.ok === false) throw new Error(`the simulated engine would not: ${await answer.text()}`);
  await answer?.arrayBuffer().catch(() => null);
  await until(async () => (await stateOf(stage.gateway))?.workers[0]?.pid !== pid, 'the engine has ended of it', READY_MS);
  stage.struck++;
}

async function whenReady(stage: Stage): Promise<void> {
  const isReady = async (): Promise<boolean> => (await stateOf(stage.gateway))?.workers.every(({ state }) => state === 'ready') === true;
  await until(isReady, 'every engine is ready again', READY_MS);
}

/** Another process has come for the one that died, and the supervisor says of what it died. */
async function startedAgain(stage: Stage, failure: string): Promise<string[]> {
  const { pid, restarts, lastFailure } = await firstEngine(stage);
  return [
    ...(pid === stage.noted.enginePid ? [`the engine has process ${pid} as before`] : []),
    ...(restarts >= 1 ? [] : [`the engine counts ${restarts} restarts`]),
    ...(lastFailure?.class === failure
      ? []
      : [`the engine is said to have failed of ${lastFailure?.class ?? 'nothing'}, not of ${failure}`]),
  ];
}

async function withLessMemory(stage: Stage): Promise<string[]> {
  const { degradation } = await firstEngine(stage);
  return degradation.length > 0 ? [] : ['the engine asks for as much memory as before'];
}

/** An engine that was up is killed, and killed again as soon as it is. */
async function killEachTime(stage: Stage): Promise<void> {
  for (let last = 0; stage.struck < KILLS;) {
    let pid: number | null = null;
    await until(
      async () => {
        pid = (await stateOf(stage.gateway))?.workers[0]?.pid ?? null;
        return pid !== null && pid !== last;
      },
      `the engine is started for the ${stage.struck + 1}. time`,
      READY_MS,
    );
    await delay(KILL_MS);
    if (kill((last = pid!))) stage.struck++;
  }
}

/** Each start of the engine after the fault is a line of the log. */
function startsTold({ log }: Stage, struckMs: number): string[] {
  const starts = log.since(struckMs, 'worker.state').filter(({ line }) => line['state'] === 'starting').length;
  const failures = log.since(struckMs, 'worker.failure').length;
  return [
    ...(starts >= KILLS ? [] : [`the log tells of ${starts} starts after ${KILLS} kills`]),
    ...(failures >= KILLS ? [] : [`the log tells of ${failures} failures after ${KILLS} kills`]),
  ];
}

async function notAdopted(stage: Stage): Promise<string[]> {
  const { pid } = await firstEngine(stage);
  return pid === stage.noted.enginePid ? [] : [`the engine ${stage.noted.enginePid} was not taken over; now there is ${pid}`];
}

const KILLS = 3;
const KILL_MS = 100;
const USUAL = { noLines: true, recoverMs: RESTART_MS } as const;
const STARTS_AGAIN = 'while it is not ready every call is answered by the other engine; it is started again';

/** Rows under `headgate serve` with simulated engines: what happens to engines and their supervisor. */
export const ENGINE_ROWS: readonly Row[] = [
  {
    ...USUAL,
    name: 'kill-engine',
    fault: 'kill -9 of an engine',
    how: 'SIGKILL to one of two simulated engines under the supervisor',
    holds: STARTS_AGAIN,
    setting: engines(2),
    strike: (stage) => killOf(stage, (engine) => engine),
    heal: whenReady,
    proofs: [OK_ONCE_AWAY],
    check: ({ stage }) => startedAgain(stage, 'killed'),
  },
  {
    ...USUAL,
    name: 'kill-core',
    fault: 'kill -9 of an engine’s core',
    how: 'SIGKILL to the child that holds the card; the API process ends with exit code 0',
    holds: STARTS_AGAIN,
    setting: engines(2),
    strike: (stage) => killOf(stage, (engine) => childrenOf(engine)[0]),
    heal: whenReady,
    proofs: [OK_ONCE_AWAY],
    check: ({ stage }) => startedAgain(stage, 'killed'),
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
    proofs: [OK_ONCE_AWAY],
    check: async ({ stage }) => [...(await startedAgain(stage, 'oom-runtime')), ...(await withLessMemory(stage))],
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
    proofs: [OK_ONCE_AWAY],
    check: ({ stage }) => startedAgain(stage, 'killed'),
  },
  {
    ...USUAL,
    name: 'crash-loop',
    fault: 'a crash loop',
    how: `the only engine is killed each time it is started, ${KILLS} times`,
    holds: 'the gateway goes on answering; each failure and each start is told',
    setting: engines(1),
    strike: killEachTime,
    check: ({ stage, facts }) => startsTold(stage, facts.struckMs),
    heal: async (stage) => {
      const worker = (await stateOf(stage.gateway))?.workers[0];
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
      const pid = (await stateOf(stage.gateway))?.pid;
      if (pid === undefined || !kill(pid)) throw new Error('there was no supervisor to kill');
      stage.struck++;
      await until(async () => ((await stateOf(stage.gateway))?.pid ?? pid) !== pid, 'another supervisor', READY_MS);
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
