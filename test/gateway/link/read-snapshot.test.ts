import { expect, test } from 'vitest';
import { readSnapshot } from '../../../gateway/link/read-snapshot.ts';
import { snapshot, view } from '../workers/worker-fixtures.ts';

test('a snapshot comes through as it was sent', () => {
  const sent = snapshot({
    workers: [view('w0', { state: 'backoff', etaSeconds: 4 })],
    models: [{ id: 'm', aliases: ['a'], source: 'org/m', capabilities: ['chat'], maxModelLen: 4096 }],
  });
  expect(readSnapshot(JSON.stringify(sent))).toEqual(sent);
});

test('how models stand comes through, but not a state that only a newer supervisor knows', () => {
  const model = { id: 'm', aliases: [], source: 's', capabilities: [], maxModelLen: null, loadable: true, etaSeconds: 3, reason: null };
  const swaps = [{ worker: 'w0', from: 'm', to: 'n', startedAtMs: 1, etaSeconds: 2, percent: 3 }];
  const sent = snapshot({ models: [{ ...model, state: 'loading' }], swaps });
  expect(readSnapshot(JSON.stringify(sent))).toEqual(sent);
  expect(readSnapshot(JSON.stringify(sent).replace('"loading"', '"asleep"')).models[0]?.state).toBeUndefined();
});

test('what an older supervisor leaves out gets its neutral value', () => {
  const line = '{"workers":[{"id":"w0","url":"http://127.0.0.1:1","state":"ready","models":[{"id":"m"}]}],"models":[{"id":"m"}]}';
  const read = readSnapshot(line);
  expect(read.workers[0]).toMatchObject({
    state: 'ready',
    refuses: [],
    maxNumSeqs: 1,
    lastFailure: null,
    models: [{ id: 'm', maxModelLen: null }],
  });
  expect(read.models[0]).toMatchObject({ id: 'm', aliases: [], capabilities: [] });
  expect(read.gpus).toEqual([]);
});

test('what a worker refuses comes through, but not what only a newer supervisor knows', () => {
  const sent = { ...view('w0'), refuses: ['prompt_logprobs', 'poems', 7] };
  expect(readSnapshot(JSON.stringify({ workers: [sent] })).workers[0]?.refuses).toEqual(['prompt_logprobs']);
  expect(readSnapshot(JSON.stringify({ workers: [{ ...sent, refuses: 'prompt_logprobs' }] })).workers[0]?.refuses).toEqual([]);
});

test('how a worker goes about what waits comes through, as it comes where nobody says', () => {
  const said = (scheduling?: unknown) => readSnapshot(JSON.stringify({ workers: [{ ...view('w0'), scheduling }] })).workers[0]?.scheduling;
  expect(['priority', 'fcfs', undefined, 'lottery', 7].map(said)).toEqual(['priority', 'fcfs', 'fcfs', 'fcfs', 'fcfs']);
});

test('a worker in a state that only a newer supervisor knows is not sent requests', () => {
  const line = JSON.stringify(snapshot({ workers: [view('w0')] })).replace('"ready"', '"hibernating"');
  expect(readSnapshot(line).workers[0]?.state).toBe('starting');
});

test.each([
  '',
  '{',
  'null',
  '[]',
  '{"workers":3}',
  '{"workers":[{}]}',
  '{"workers":[{"id":"a"}]}',
  '{"workers":[{"id":"a","url":"u","models":[{}]}]}',
  '{"workers":[],"models":["m"]}',
])('%j is no snapshot', (line) => {
  expect(() => readSnapshot(line)).toThrow(Error);
});
