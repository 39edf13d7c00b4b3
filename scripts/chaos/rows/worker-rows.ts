import { setTimeout as delay } from 'node:timers/promises';
import { promptOf } from '../law/mark.ts';
import { NOTICED, OK_ONCE_AWAY, okAfter, okBut, refusedFor } from '../law/proofs.ts';
import { until } from '../../shows/scene.ts';
import { untilLeftAlone } from './holding.ts';
import type { Row } from './row.ts';
import type { Stage } from './stage.ts';

const KNOWN_MS = 10_000;
const QUIET_MS = 20_000;
const BURST = 12;
/** By then a worker that is gone costs nobody anything any more. */
const SOON_MS = 500;

const allDown: Pick<Row, 'strike' | 'heal' | 'holds' | 'proofs'> = {
  strike: async (stage) => {
    await Promise.all([stage.line.close(), stage.b.die()]);
    stage.struck += 2;
  },
  heal: ({ line, b }) => Promise.all([line.reopen(), b.revive()]),
  holds: 'refusals are clean, calls go on by themselves',
  proofs: [refusedFor('no_worker')],
};

const POISON = 'poison-0';
/** Of a call beside the others. */
const WORDS = 6;

/** Nobody else has a call at either worker when they die: so it is known which one it was. */
async function poisoned(stage: Stage): Promise<void> {
  await stage.traffic.end();
  await until(() => stage.a.openRequests + stage.b.openRequests === 0, 'no call is under way', QUIET_MS);
  for (const worker of stage.workers) worker.behave('crash', { only: POISON });
  await stage.askAlone(POISON, { prompt: promptOf({ id: POISON, words: WORDS }) });
  stage.begin('d').start();
  await delay(SOON_MS);
}

/** Who sends it again is told so, and no worker is asked. */
async function poisonedAgain(stage: Stage): Promise<void> {
  for (const again of [1, 2]) {
    // The same body under another name.
    const prompt = promptOf({ id: POISON, words: WORDS });
    const { status, code } = await stage.askAlone(`again-${again}`, { prompt });
    if (status !== 422) stage.noted.said.push(`the prompt that kills, sent again, was answered ${status} (${code})`);
  }
  for (const worker of stage.workers) {
    worker.heal();
    if (worker.failure !== null) stage.noted.said.push(worker.failure);
  }
}

async function killProgram(stage: Stage): Promise<void> {
  stage.noted.momentsMs.push(performance.now());
  if (await stage.program!.kill()) stage.struck++;
}

/** As an engine does that loads a model: its port is closed for a while, and its connections are gone. */
async function restart({ a, noted }: Stage, model: string): Promise<void> {
  noted.momentsMs.push(performance.now());
  await a.die();
  await delay(SOON_MS);
  a.model = model;
  await a.revive();
}

/** Rows in which a worker ends, hangs, comes back, or is another than it was. */
export const WORKER_ROWS: readonly Row[] = [
  {
    name: 'refuse',
    fault: 'a worker that refuses connections',
    how: 'its port is closed, its connections reset',
    holds: 'half a second later every call is answered, by the other worker',
    strike: async (stage) => {
      await stage.line.close();
      stage.struck++;
    },
    heal: ({ line }) => line.reopen(),
    proofs: [okAfter(SOON_MS), NOTICED],
  },
  {
    name: 'kill-worker',
    fault: 'kill -9 of a worker under load',
    how: 'SIGKILL to its process, started again 2.5 s later',
    holds: 'half a second later every call is answered, by the other worker',
    setting: { isProcess: true },
    strike: killProgram,
    heal: ({ program }) => program!.start(),
    proofs: [okAfter(SOON_MS), NOTICED],
  },
  {
    name: 'stop-worker',
    fault: 'a worker that is stopped',
    how: 'SIGSTOP to its process, SIGCONT once it is left alone, and 2.5 s more',
    holds: 'while the worker is left alone, every call is answered by the other',
    setting: { isProcess: true, everyMs: 20 },
    hold: untilLeftAlone,
    proofs: [OK_ONCE_AWAY],
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
    holds: 'every call answered but streams that were under way at a kill',
    setting: { isProcess: true },
    check: ({ stage, facts }) => okBut(stage.noted.momentsMs)(facts),
    proofs: [NOTICED],
    strike: async (stage) => {
      for (let i = 0; i < 5; i++) {
        await killProgram(stage);
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
    how: 'both ports closed, connections reset, back after 2.5 s',
    ...allDown,
  },
  {
    name: 'long-down',
    fault: 'all workers down, and back after a while',
    how: 'both ports closed for 8 s',
    ...allDown,
    holdMs: 8_000,
  },
  {
    name: 'window-death',
    fault: 'a worker that dies while the window is open',
    how: `window of 200 ms; its port closed 50 ms after a burst of ${BURST}, with no other calls`,
    holds: 'every call of the burst answered, by the other worker',
    setting: { settings: { batch_window: { window_ms: 200, max_batch_size: 64 } } },
    strike: async (stage) => {
      await stage.traffic.end();
      const burst = stage.begin('burst');
      burst.send(BURST);
      await delay(50);
      await stage.line.close();
      stage.struck++;
      await burst.end();
    },
    heal: async (stage) => {
      await stage.line.reopen();
      stage.begin('d').start();
    },
    proofs: [NOTICED],
    check: ({ facts }) => {
      const burst = facts.calls.filter(({ id, ending }) => id.startsWith('burst-') && ending === 'ok');
      const others = burst.filter(({ id }) => facts.asked[1].has(id) && !facts.asked[0].has(id)).length;
      return others === BURST ? [] : [`${burst.length} of ${BURST} calls of the burst were answered, ${others} by the other worker alone`];
    },
  },
  {
    name: 'other-model',
    fault: 'a worker that comes back with another model',
    how: 'ended, and back on its port a while later, serving another name; it knows the old one no more',
    holds: 'it is asked nothing; every call answered by the other, but streams that were under way',
    // Whoever names none is answered by the first that there is.
    setting: { model: 'm' },
    strike: (stage) => restart(stage, 'another'),
    hold: async (stage) => {
      await until(() => stage.a.otherModelTold > 0, 'the gateway asks which model it serves', KNOWN_MS);
      await delay(2_500);
      stage.struck += stage.a.otherModelTold;
    },
    heal: (stage) => restart(stage, 'm'),
    check: ({ stage, facts }) => [
      ...okBut(stage.noted.momentsMs)(facts),
      ...(stage.a.otherModelAsked === 0 ? [] : [`a worker that serves another model was asked ${stage.a.otherModelAsked} times`]),
    ],
  },
  {
    name: 'poison',
    fault: 'a prompt that kills workers',
    how: 'each worker that reads it resets all connections and is gone for 300 ms; it is sent three times, the first time alone',
    holds: 'two workers are asked it, never a third; who sends it again is told 422',
    noLines: true,
    strike: poisoned,
    heal: poisonedAgain,
    check: ({ stage }) => {
      const times = stage.workers.reduce((sum, { asked }) => sum + (asked.get(POISON) ?? 0), 0);
      return times === 2 ? [] : [`the prompt that kills was sent to workers ${times} times`];
    },
    terms: { statuses: [422, 429, 502, 503, 504] },
  },
];
