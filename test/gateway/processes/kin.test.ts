import { expect, test } from 'vitest';
import { type Hands, Kin } from '../../../gateway/processes/kin.ts';
import type { Beginning, KeeperWord } from '../../../gateway/processes/words.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

/** What is told of in the order in which it is done. */
function handsThatNote(): { readonly hands: Hands; readonly done: unknown[][] } {
  const done: unknown[][] = [];
  const note =
    (what: string) =>
    (...told: unknown[]): void =>
      void done.push([what, ...told]);
  const hands: Hands = {
    adopt: note('adopt'),
    follow: note('follow'),
    well: note('well'),
    stored: note('stored'),
    prompts: note('prompts'),
    obey: note('obey'),
    places: note('places'),
    part: () => null,
  };
  return { hands, done };
}

const GOT = { gateways: 3, workers: [] };
const WELL = { models: [], version: null, engine: 'vllm', startedAt: null, tellsPause: false };
const WORDS: readonly KeeperWord[] = [
  { kind: 'settings', loaded: null, changed: ['log.level'], isTrial: false },
  { kind: 'order', worker: 'w', order: 'drain' },
  { kind: 'order', worker: 'w', order: 'undrain' },
  { kind: 'well', worker: 'w', found: WELL, line: 'l' },
  { kind: 'prompts', prompts: [['w', [1, 2]]] },
  { kind: 'places', got: GOT },
];
const DONE = [
  ['adopt', null, ['log.level'], false],
  ['obey', 'w', 'drain'],
  ['obey', 'w', 'undrain'],
  ['well', 'w', WELL, 'l'],
  ['prompts', [['w', [1, 2]]]],
  ['places', GOT],
];

test('what a process is told while it begins is done as soon as there is who does it, in the same order, and once', () => {
  const kin = new Kin({} as Beginning, 1, createFakeClock(), { send: () => {} });
  for (const word of WORDS) kin.hear(word);
  const { hands, done } = handsThatNote();
  kin.lend(hands);
  expect(done).toEqual(DONE);
  for (const word of WORDS) kin.hear(word);
  expect(done).toEqual([...DONE, ...DONE]);
});

test.each(['told to drain', 'left by its keeper'] as const)('one that is %s waits for nothing that it began with', async (how) => {
  const kin = new Kin({} as Beginning, 1, createFakeClock(), { send: () => {} });
  if (how === 'told to drain') kin.hear({ kind: 'drain', settle: false });
  else kin.orphaned();
  await kin.leaving;
});
