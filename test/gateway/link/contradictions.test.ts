import { expect, test } from 'vitest';
import { contradictions, refusalToShare, whatItHas } from '../../../gateway/link/contradictions.ts';
import { load } from '../config/loading.ts';
import { snapshot } from '../workers/worker-fixtures.ts';

const model = (id: string) => ({ id, aliases: [], source: id, capabilities: [], maxModelLen: null });
const RUNS = snapshot({ engine: 'sim', profile: 't4', models: [model('a/one'), model('b/two')] });

function loaded(file: object, ...argv: string[]) {
  return load({ file: JSON.stringify(file), argv });
}

test.each<[string, object, string[], string[]]>([
  ['nothing is asked for', {}, [], []],
  ['all of it is met', { supervisor: { engine: 'sim', profile: 't4' }, models: ['a/one', 'b/two'] }, [], []],
  ['one model of several is asked for', { models: ['a/one'] }, [], []],
  ['the same is asked for by a flag', { models: ['a/one', 'b/two'] }, ['--model', 'a/one', '--engine', 'sim'], []],
  ['the engine is another', { supervisor: { engine: 'vllm' } }, [], ['supervisor.engine']],
  ['the profile is another', { supervisor: { profile: 'l4' } }, [], ['supervisor.profile']],
  ['another model is the first', { models: ['b/two', 'a/one'] }, [], ['models']],
  ['a model is not there', { models: ['a/one', 'c/three'] }, [], ['models']],
])('settings contradict a supervisor or not: %s', (_, file, flags, wanted) => {
  expect(contradictions(loaded(file, ...flags).settings, RUNS).map(({ path }) => path)).toEqual(wanted);
});

test.each<[string, object, string[], RegExp | null]>([
  ['the same settings', { supervisor: { engine: 'sim' }, models: ['a/one', 'b/two'] }, [], null],
  ['another model in the file, for the next start', { models: ['c/three', 'a/one'] }, [], null],
  ['another profile in the file', { supervisor: { profile: 'l4' } }, [], null],
  ['a flag for the model that serves, beside a new one in the file', { models: ['c/three', 'a/one'] }, ['--model', 'a/one'], null],
  [
    'another engine in the file',
    { supervisor: { engine: 'vllm' } },
    [],
    /supervisor\.engine asks for vllm \(headgate\.yaml:1:\d+\), .* simulated/,
  ],
  ['another engine by a flag', {}, ['--engine', 'vllm'], /\(flag --engine\)/],
  ['a model by a flag', {}, ['--model', 'c/three'], /models asks for c\/three \(flag --model\), .* has a\/one \(the default\), b\/two\./],
  ['another default by a flag', {}, ['--model', 'b/two'], /models asks for b\/two/],
])('a supervisor is shared or not: %s', (_, file, flags, wanted) => {
  const { settings, origins } = loaded(file, ...flags);
  const refusal = refusalToShare(settings, origins, RUNS);
  if (wanted === null) expect(refusal).toBeNull();
  else expect(refusal).toMatch(wanted);
});

test('what a file asks for in vain is told', () => {
  expect(whatItHas(loaded({ models: ['c/three', 'a/one'] }).settings, RUNS)).toBe(
    ' (models asks for c/three, and it has a/one (the default), b/two)',
  );
});
