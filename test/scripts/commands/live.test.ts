import { expect, test } from 'vitest';
import type { AdminStatus, ModelStatus, SwapStatus, WorkerStatus } from '../../../gateway/http/pages/admin-answers.ts';
import { showProgress } from '../../../scripts/commands/live/progress-line.ts';
import { loadingText, stateText } from '../../../scripts/commands/live/progress-text.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const WORKER = { id: 'worker-1', model: 'm', state: 'starting', stage: 'model_loaded', percent: 43, eta_seconds: 31 } as WorkerStatus;
const MODEL = { id: 'm', state: 'loading', eta_seconds: 31 } as ModelStatus;
const READY = { id: 'other', state: 'ready', eta_seconds: null } as ModelStatus;
const SWAP = { worker: 'worker-1', from: 'm', to: 'n', percent: 7, eta_seconds: 90 } as SwapStatus;
const ENGINE = { simulated: true } as AdminStatus['engine'];

const STATUS: Pick<AdminStatus, 'supervised' | 'supervisor' | 'engine' | 'models' | 'workers' | 'swaps'> = {
  ...{ supervised: true, supervisor: null, engine: ENGINE },
  ...{ models: [MODEL, READY], workers: [WORKER], swaps: [] },
};

test.each<[string, Partial<AdminStatus>, string | null]>([
  ['a start', {}, 'm · model_loaded · 43 % · about 31 s left'],
  ['nothing', { models: [READY] }, null],
  ['a supervisor that has not been heard of', { engine: null }, 'the supervisor starts'],
  ['workers that nobody launches', { supervised: false, engine: null, models: [READY] }, null],
  [
    'a start that is tried again later',
    { workers: [{ ...WORKER, state: 'backoff', stage: null, percent: null }] },
    'm · backoff · about 31 s left',
  ],
  [
    'workers of others',
    { supervised: false, engine: null, models: [{ ...MODEL, eta_seconds: null }], workers: [] },
    'm · its workers do not answer yet',
  ],
  [
    'a change of model',
    { models: [READY, { id: 'n', state: 'available', eta_seconds: 90 } as ModelStatus], workers: [], swaps: [SWAP] },
    'n · m ends · 7 % · about 90 s left',
  ],
  [
    'two at once',
    { models: [MODEL, { id: 'n', state: 'loading', eta_seconds: null } as ModelStatus] },
    'm · model_loaded · 43 % · about 31 s left | n · waiting for its turn',
  ],
])('what is being loaded, on one line: %s', (_, more, expected) => {
  expect(loadingText({ ...STATUS, ...more } as AdminStatus)).toBe(expected);
});

test.each<[Partial<WorkerStatus>, string]>([
  [{}, 'starting (model_loaded, 43 %, about 31 s left)'],
  [{ state: 'ready', stage: 'ready', percent: null, eta_seconds: null }, 'ready'],
  [{ state: 'backoff', stage: null, percent: null, eta_seconds: 40 }, 'backoff (about 40 s left)'],
  [{ state: 'failed', stage: null, percent: null, eta_seconds: null }, 'failed'],
])("a worker's state says how far it has come: %j", (more, expected) => {
  expect(stateText({ ...WORKER, ...more })).toBe(expected);
});

test('the line is shown again when it changes, and now and then, never longer than the terminal is wide, and goes at the end', async () => {
  const clock = createFakeClock();
  const shown: string[] = [];
  let text: string | null = null;
  const line = showProgress(
    { show: (each) => shown.push(each) },
    clock,
    () => text,
    () => 12,
  );
  await clock.advance(5_000);
  expect(shown).toEqual([]);
  text = 'loading 1 %';
  await clock.advance(250);
  text = 'loading 100 %';
  await clock.advance(250);
  expect(shown).toEqual(['loading 1 %', 'loading 10…']);
  // The log may have taken it away.
  await clock.advance(2_000);
  expect(shown.slice(2)).toEqual(['loading 10…', 'loading 10…']);
  text = null;
  await clock.advance(5_000);
  expect(shown.slice(4)).toEqual(['']);
  text = 'more';
  await clock.advance(250);
  line.cancel();
  expect(shown.slice(5)).toEqual(['more', '']);
  expect(clock.pending).toBe(0);
});
