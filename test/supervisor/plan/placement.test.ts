import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { placeModels } from '../../../supervisor/plan/placement.ts';
import type { PlacedWorker } from '../../../supervisor/plan/placement.ts';
import type { CardToPlace, ModelToPlace, Suit } from '../../../supervisor/plan/suit.ts';
import { isUsable } from '../../../supervisor/plan/suit.ts';

const FITS: Suit = { gpus: 1, rank: 0, company: 0 };
const [TIGHT, NO, SHOWN, TAKEN, FULL] = [
  { ...FITS, rank: 1 },
  { ...FITS, rank: 3 },
  { ...FITS, company: 1 },
  { ...FITS, company: 2 },
  { ...FITS, company: 3 },
] as const satisfies readonly Suit[];
const TWO: Suit = { ...FITS, gpus: 2 };

/** `t4:0 t4:1 3060` are two cards of one kind and one of another. */
function cards(names: string): CardToPlace[] {
  return names.split(' ').map((id) => ({ id, kind: id.split(':')[0]! }));
}

function model(id: string, suits: Readonly<Record<string, Suit>>, more: Partial<ModelToPlace> = {}): ModelToPlace {
  return { id, copies: 1, present: [], suits: new Map(Object.entries(suits)), ...more };
}

/** Such as `a@0 b@0+1 | c@2`; ` /2` behind a worker is in how many parts its card is divided. */
function told(workers: readonly PlacedWorker[]): string {
  const turns = ({ models }: PlacedWorker) => [...models].map(([id, on]) => `${id}@${on.join('+')}`).join(' ');
  return workers.map((worker) => `${turns(worker)}${worker.sharers > 1 ? ` /${worker.sharers}` : ''}`).join(' | ');
}

const ON_BOTH = { t4: FITS, 3060: FITS };

describe('models get', () => {
  test.each<[string, string, ModelToPlace[], string]>([
    ['a card each, in the order of both', 't4 3060', [model('a', ON_BOTH), model('b', ON_BOTH)], 'a@t4 | b@3060'],
    ['the first card where one is enough', 't4 3060', [model('a', ON_BOTH)], 'a@t4'],
    [
      'the card where they fit, and leave it to whom fits nowhere else',
      't4 3060',
      [model('a', ON_BOTH), model('b', { t4: FITS })],
      'a@3060 | b@t4',
    ],
    ['a card with room before one that is tight', 't4 3060', [model('a', { t4: TIGHT, 3060: FITS })], 'a@3060'],
    [
      'a tight card of their own before turns on a better one',
      't4 3060',
      [model('a', { t4: FITS, 3060: FITS }), model('b', { t4: FITS, 3060: TIGHT })],
      'a@3060 | b@t4',
    ],
    [
      'turns on a good card before one for themselves that they do not fit',
      't4 3060',
      [model('a', { t4: FITS }), model('b', { t4: FITS, 3060: NO })],
      'a@t4 b@t4',
    ],
    ['a card that they may not fit where there is no other', 't4', [model('a', { t4: NO })], 'a@t4'],
    [
      'an idle card before one with a screen, and that before one that others use',
      'x:0 x:1 x:2',
      [
        model('a', { 'x:0': TAKEN, 'x:1': SHOWN, 'x:2': FITS }),
        model('b', { 'x:0': TAKEN, 'x:1': SHOWN, 'x:2': FITS }),
        model('c', { 'x:0': TAKEN, 'x:1': SHOWN, 'x:2': FITS }),
      ],
      'a@x:2 | b@x:1 | c@x:0',
    ],
    [
      'turns on an idle card before one that others have filled',
      't4 3060',
      [model('a', { t4: FULL, 3060: FITS }), model('b', { t4: FULL, 3060: FITS })],
      'a@3060 b@3060',
    ],
    [
      'turns where there are more of them than cards, with whom has the fewest',
      't4 3060',
      ['a', 'b', 'c', 'd'].map((id) => model(id, ON_BOTH)),
      'a@t4 c@t4 | b@3060 d@3060',
    ],
    ['all of them the one card that there is', 't4', ['a', 'b', 'c'].map((id) => model(id, { t4: FITS })), 'a@t4 b@t4 c@t4'],
    ['the card that they run on already', 't4 3060', [model('a', ON_BOTH), model('b', ON_BOTH, { present: [['t4']] })], 'a@3060 | b@t4'],
    [
      'another where someone else could have none',
      't4 3060',
      [model('a', { t4: FITS }), model('b', ON_BOTH, { present: [['t4']] })],
      'a@t4 | b@3060',
    ],
    ['a line to stand in where they run nowhere', 't4 3060', [model('a', {}), model('b', ON_BOTH)], 'a@t4 b@t4'],
    ['a line to stand in even if none of them runs', 't4 3060', [model('a', {}), model('b', {})], 'a@t4 b@t4'],
  ])('%s', (_what, names, models, expected) => {
    expect(told(placeModels(models, cards(names)))).toBe(expected);
  });
});

describe('a model that takes several cards', () => {
  const [A, LARGE] = [model('a', { 'l4:0': FITS, 'l4:1': FITS, t4: FITS }), model('large', { 'l4:0': TWO, 'l4:1': TWO })];
  test.each<[string, string, ModelToPlace[], string]>([
    ['takes equal ones, and others keep away from them', 'l4:0 t4 l4:1', [A, LARGE], 'a@t4 | large@l4:0+l4:1'],
    ['takes turns with others where there are no more', 'l4:0 l4:1', [A, LARGE], 'a@l4:0 large@l4:0+l4:1'],
    ['does without where there are not enough of one kind', 'l4:0 t4', [A, model('large', { 'l4:0': TWO })], 'a@l4:0 large@l4:0'],
    [
      'makes one worker of two where it needs the cards of both',
      'l4:0 l4:1 l4:2',
      [
        model('b', { 'l4:0': TWO, 'l4:1': TWO, 'l4:2': TWO }),
        model('c', { 'l4:2': FITS }),
        model('all', { 'l4:0': { ...TWO, gpus: 3 }, 'l4:1': { ...TWO, gpus: 3 }, 'l4:2': { ...TWO, gpus: 3 } }),
      ],
      'b@l4:0+l4:1 c@l4:2 all@l4:0+l4:1+l4:2',
    ],
  ])('%s', (_what, names, models, expected) => {
    expect(told(placeModels(models, cards(names)))).toBe(expected);
  });
});

describe('copies of the first model', () => {
  const on = (copies: number, suits: Readonly<Record<string, Suit>> = { 'l4:0': FITS, 'l4:1': FITS }, more: Partial<ModelToPlace> = {}) =>
    model('a', suits, { copies, ...more });
  test.each<[string, string, ModelToPlace[], string]>([
    ['have a card each', 'l4:0 l4:1', [on(2)], 'a@l4:0 | a@l4:1'],
    ['divide cards in turn when there are more of them', 'l4:0 l4:1', [on(3)], 'a@l4:0 /2 | a@l4:1 | a@l4:0 /2'],
    ['go to cards of different kinds', 't4 3060', [on(2, ON_BOTH)], 'a@t4 | a@3060'],
    ['divide the only card that they fit on', 't4 3060', [on(2, { t4: FITS })], 'a@t4 /2 | a@t4 /2'],
    [
      'come before other models, which take turns at as many',
      'l4:0 l4:1',
      [on(2), model('b', { 'l4:0': FITS, 'l4:1': FITS })],
      'a@l4:0 b@l4:0 | a@l4:1 b@l4:1',
    ],
    [
      'leave others the cards that they do not need',
      'l4:0 l4:1 t4',
      [on(2), model('b', { t4: FITS, 'l4:0': FITS })],
      'a@l4:0 | a@l4:1 | b@t4',
    ],
    [
      'take several cards each',
      'l4:0 l4:1 l4:2 l4:3',
      [on(2, { 'l4:0': TWO, 'l4:1': TWO, 'l4:2': TWO, 'l4:3': TWO })],
      'a@l4:0+l4:1 | a@l4:2+l4:3',
    ],
    ['stay where each runs already', 'l4:0 l4:1', [on(2, undefined, { present: [['l4:1'], ['l4:0']] })], 'a@l4:1 | a@l4:0'],
  ])('%s', (_what, names, models, expected) => {
    expect(told(placeModels(models, cards(names)))).toBe(expected);
  });
});

test('a model that was made to share when workers were merged leaves for a card that nobody has', () => {
  const models = [
    model('a', { 't4:0': FITS }),
    model('b', { 't4:0': TWO, 't4:1': TWO }),
    model('c', { l4: FITS, 't4:1': FITS }, { present: [['t4:1']] }),
  ];
  expect(told(placeModels(models, cards('t4:0 l4 t4:1')))).toContain('c@l4');
});

test('nothing and nowhere are no plan', () => {
  expect(placeModels([], cards('t4'))).toEqual([]);
  expect(placeModels([model('a', {})], [])).toEqual([]);
});

const suit: fc.Arbitrary<Suit> = fc.record({
  gpus: fc.integer({ min: 1, max: 3 }),
  rank: fc.constantFrom(0, 1, 2, 3),
  company: fc.constantFrom(0, 1, 2, 3),
});
const CARDS = ['x:0', 'x:1', 'y:0', 'y:1', 'x:2', 'z:0'] as const;
const scene = fc
  .record({
    there: fc.subarray([...CARDS], { minLength: 1 }),
    models: fc.array(
      fc.record({ suits: fc.array(fc.option(suit), { minLength: 6, maxLength: 6 }), present: fc.subarray([...CARDS], { maxLength: 2 }) }),
      { minLength: 1, maxLength: 6 },
    ),
    copies: fc.integer({ min: 1, max: 4 }),
  })
  .map(({ there, models, copies }) => ({
    cards: cards(there.join(' ')),
    models: models.map(({ suits, present }, index): ModelToPlace => {
      const own = CARDS.flatMap((card, nth) => (suits[nth] && there.includes(card) ? [[card, suits[nth]] as const] : []));
      return { id: `m${index}`, copies: index === 0 ? copies : 1, suits: new Map(own), present: present.length > 0 ? [present] : [] };
    }),
  }));

describe('whatever there is', () => {
  test('every model is placed, at most as often as there may be copies', () => {
    fc.assert(
      fc.property(scene, ({ models, cards: there }) => {
        const workers = placeModels(models, there);
        for (const { id } of models) {
          const places = workers.filter((worker) => worker.models.has(id)).length;
          expect(places).toBeGreaterThan(0);
          expect(places).toBeLessThanOrEqual(models[0]!.copies);
        }
      }),
    );
  });

  test('no card is in the hands of two workers, unless copies divide it and know', () => {
    fc.assert(
      fc.property(scene, ({ models, cards: there }) => {
        const workers = placeModels(models, there);
        for (const { id } of there) {
          const holders = workers.filter((worker) => [...worker.models.values()].some((own) => own.includes(id)));
          if (holders.length < 2) continue;
          for (const { models: turns, sharers } of holders) {
            expect(turns.has(models[0]!.id)).toBe(true);
            expect(sharers).toBeGreaterThanOrEqual(holders.length);
          }
        }
      }),
    );
  });

  test('who runs has as many cards as it takes, all of them there, of one kind, and such that it can run on', () => {
    fc.assert(
      fc.property(scene, ({ models, cards: there }) => {
        for (const { models: turns } of placeModels(models, there))
          for (const [id, own] of turns) {
            const known = there.filter((card) => own.includes(card.id));
            expect(known.length).toBe(own.length);
            const { suits } = models.find((each) => each.id === id)!;
            const suits_ = own.map((card) => suits.get(card));
            // Else it stands in line to be refused.
            if (!suits_.every((each) => each !== undefined && each.gpus <= own.length)) continue;
            expect(new Set(known.map(({ kind }) => kind)).size === 1 || own.length > suits_[0]!.gpus).toBe(true);
          }
      }),
    );
  });

  test('no model goes without while a card that it fits has nobody', () => {
    fc.assert(
      fc.property(scene, ({ models, cards: there }) => {
        const workers = placeModels(models, there);
        const idle = there.filter(({ id }) => workers.every((worker) => ![...worker.models.values()].flat().includes(id)));
        for (const { models: turns } of workers) {
          const suitOf = (id: string, card: string) => models.find((each) => each.id === id)!.suits.get(card) ?? NO;
          const [, ...guests] = [...turns]
            .filter(([id, own]) => own.every((card) => isUsable(suitOf(id, card)) && suitOf(id, card).gpus === own.length))
            .map(([id]) => id);
          for (const guest of guests) {
            const { suits } = models.find(({ id }) => id === guest)!;
            // One that cannot run alone may need several, and take none of them.
            const wanted = idle.filter(({ id }) => suits.get(id)?.gpus === 1 && isUsable(suits.get(id)!));
            expect(wanted).toEqual([]);
          }
        }
      }),
    );
  });

  test('the same machine gets the same plan, and one with a card less gets a plan', () => {
    fc.assert(
      fc.property(scene, fc.nat(), ({ models, cards: there }, pick) => {
        expect(placeModels(models, there)).toEqual(placeModels(models, there));
        const gone = there[pick % there.length]!.id;
        const left = models.map((each) => ({ ...each, suits: new Map([...each.suits].filter(([id]) => id !== gone)) }));
        const workers = placeModels(
          left,
          there.filter(({ id }) => id !== gone),
        );
        expect(workers.length > 0).toBe(there.length > 1);
      }),
    );
  });
});
