import { expect, test } from 'vitest';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { callLines } from '../../../scripts/commands/looking/calls-text.ts';
import type { WorkerReport } from '../../../scripts/commands/looking/look-at-workers.ts';
import { unservedIn } from '../../../scripts/commands/looking/unserved.ts';
import { workerLines, workerTroubles } from '../../../scripts/commands/looking/workers-text.ts';

const NAME = 'dns vllm.test:8000';
const SOURCE = { source: NAME, isUp: true, message: null, workers: 2, ending: 0 };

function well(url: string, source: string | null, ...models: string[]): WorkerReport {
  return { url, source, ok: true, engine: 'vllm', version: '0.28.0', models, load_from: '/metrics', notes: [] };
}

function unwell(url: string, source: string | null): WorkerReport {
  const notes = [`${url} refuses connections.`, 'Check that the server runs.'];
  return { url, source, ok: false, engine: null, version: null, models: [], load_from: null, notes };
}

test('workers that are found and those that are listed stand together', () => {
  const workers = [well('http://l:1', null, 'small'), well('http://10.0.0.1:8000', NAME, 'a'), unwell('http://10.0.0.2:8000', NAME)];
  expect(workerLines({ sources: [SOURCE], workers })).toEqual([
    `${NAME}: 2 workers`,
    '  http://10.0.0.2:8000 refuses connections.',
    '  http://10.0.0.1:8000  vLLM 0.28.0: a; tells its load at /metrics',
    'http://l:1  vLLM 0.28.0: small; tells its load at /metrics',
  ]);
});

test('a source that cannot be asked, or of which nobody can be had, stands in the way, and so does a listed worker that is away', () => {
  const away = { ...SOURCE, isUp: false, message: 'cannot be resolved', workers: 0 };
  expect(workerTroubles({ sources: [away], workers: [] })).toEqual({
    problems: [`${NAME} cannot be resolved; no worker of it is known.`],
    warnings: [],
  });
  expect(workerTroubles({ sources: [{ ...away, isUp: null }], workers: [] }).problems).toEqual([expect.stringContaining('in time')]);
  expect(workerTroubles({ sources: [{ ...SOURCE, workers: 0 }], workers: [] }).problems).toEqual([
    `${NAME} names no worker that takes calls.`,
  ]);
  const [first, second, listed] = [unwell('http://a', NAME), unwell('http://b', NAME), unwell('http://c', null)];
  const said = (url: string) => `${url} refuses connections. Check that the server runs.`;
  expect(workerTroubles({ sources: [SOURCE], workers: [first, second] }).problems).toEqual([said('http://a'), said('http://b')]);
  expect(workerTroubles({ sources: [SOURCE], workers: [first, well('http://d', NAME, 'm'), listed] })).toEqual({
    problems: [said('http://c')],
    warnings: [said('http://a')],
  });
});

const MODELS = [{ id: 'chat', pool: ['qwen-a', 'qwen-q'], fallback: ['smal'] }];

test('a member of a pool, or a fallback, that no worker serves is told once all have been heard of', () => {
  const settings = settingsSchema.parse({ workers: [{ url: 'http://a' }, { url: 'http://b' }], models: MODELS });
  const workers = [well('http://a', null, 'qwen-a', 'qwen-b'), well('http://b', null, 'small')];
  expect(unservedIn(settings, { sources: [], workers })).toEqual([
    'chat: its pool names qwen-q, which no worker serves; did you mean qwen-b?',
    'chat: its fallback names smal, which no worker serves; did you mean small?',
  ]);
  expect(unservedIn(settings, { sources: [], workers: [...workers, unwell('http://c', null)] })).toEqual([]);
  expect(unservedIn(settings, { sources: [{ ...SOURCE, isUp: false }], workers })).toEqual([]);
  const all = [...workers, well('http://c', null, 'qwen-q', 'smal')];
  expect(unservedIn(settings, { sources: [], workers: all })).toEqual([]);
});

test('what the settings make of calls is told in a line or two', () => {
  const lines = (more: object) => callLines(settingsSchema.parse({ workers: [{ url: 'http://a' }], ...more }));
  expect(lines({})).toEqual([]);
  expect(lines({ models: MODELS, resume: { enabled: true }, state: { url: 'redis://r:1' } })).toEqual([
    'chat is a pool of qwen-a, qwen-q and falls back to smal',
    'streams go on at another worker when theirs is lost (resume, at most 2 times each)',
    'gateways share limits, budgets and the places of the workers by way of state.url',
  ]);
  expect(lines({ models: [{ id: 'a', resume: true }], state: { gateways: 3 } })).toEqual([
    'streams of a go on at another worker when theirs is lost (resume, at most 2 times each)',
    '3 gateways share the workers (state.gateways), each by what it sees of them',
  ]);
});
