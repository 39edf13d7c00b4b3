import { expect, test } from 'vitest';
import { hasGenerated, readLoad, readModels, readSleeping, readVersion } from '../../../gateway/vllm/answers.ts';
import { engineOf } from '../../../gateway/vllm/version.ts';
import { absentNote, recorded } from '../openai/recordings.ts';

const NO_ANSWERS = ['', '<html>', 'null', '7', '[]', '{}'];

test('a list of models is read with what it says of each, and what it does not say is null', () => {
  const page = {
    object: 'list',
    data: [
      { id: 'm', root: '/m', parent: null, max_model_len: 4096 },
      { id: 'lora', parent: 'm' },
    ],
  };
  expect(readModels(JSON.stringify(page))).toEqual([
    { id: 'm', root: '/m', parent: null, maxModelLen: 4096 },
    { id: 'lora', root: null, parent: 'm', maxModelLen: null },
  ]);
});

test('an entry without an id is left out, and a value of the wrong kind is unknown: the rest of the list still counts', () => {
  const page = { data: [null, 7, { id: '' }, { id: 3 }, { id: 'm', root: 1, parent: {}, max_model_len: '4096' }] };
  expect(readModels(JSON.stringify(page))).toEqual([{ id: 'm', root: null, parent: null, maxModelLen: null }]);
});

test('version, load and sleep are what the pages say; less than no load is none', () => {
  expect(readVersion('{"version":"0.32.0"}')).toBe('0.32.0');
  expect(readLoad('{"server_load":3}')).toBe(3);
  expect(readLoad('{"server_load":-2}')).toBe(0);
  expect(readSleeping('{"is_sleeping":true}')).toBe(true);
  expect(readSleeping('{"is_sleeping":false}')).toBe(false);
});

test.each(NO_ANSWERS)('a page that says nothing says nothing: %j', (page) => {
  expect(readModels(page)).toEqual([]);
  expect(readVersion(page)).toBeNull();
  expect(readLoad(page)).toBeNull();
  expect(readSleeping(page)).toBeNull();
  expect(hasGenerated(page)).toBe(false);
});

test('something was generated where there are choices, or data', () => {
  expect(hasGenerated('{"choices":[{"text":"!"}]}')).toBe(true);
  expect(hasGenerated('{"data":[{"embedding":[0]}]}')).toBe(true);
  expect(hasGenerated('{"choices":[]}')).toBe(false);
  expect(hasGenerated('{"data":[]}')).toBe(false);
});

test('the simulated engine is told from vLLM by the mark in its version', () => {
  expect(['0.32.0', '0.29.0+sim', null].map(engineOf)).toEqual(['vllm', 'sim', null]);
});

const TINY = { id: 'tiny', parent: null };
const READERS = {
  'models.http': [readModels, [{ ...TINY, root: 'tiny', maxModelLen: 256 }]],
  '0.32.0/get-models.http': [readModels, [{ ...TINY, root: '/models/tiny', maxModelLen: 1024 }]],
  'version.http': [readVersion, 'dev'],
  '0.32.0/get-load.http': [readLoad, 0],
  '0.32.0/completions.http': [hasGenerated, true],
  '0.32.0/pool-emb-one.http': [hasGenerated, true],
  '0.32.0/pool-score.http': [hasGenerated, true],
  '0.32.0/pool-pooling.http': [hasGenerated, true],
} as const;
for (const [name, [read, said]] of Object.entries(READERS)) {
  const note = absentNote(name);
  test.skipIf(note !== '')(`an answer recorded from vLLM is read: ${name}${note}`, () => {
    expect(read(recorded(name))).toEqual(said);
  });
}
