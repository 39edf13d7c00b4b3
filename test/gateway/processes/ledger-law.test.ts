import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Holding } from '../../../gateway/processes/ledger/holding.ts';
import { Ledger } from '../../../gateway/processes/ledger/ledger.ts';
import type { Need, Term } from '../../../gateway/processes/ledger/terms.ts';
import { sharesOf } from '../../../gateway/processes/ledger/shares.ts';
import { histories } from '../../support/histories.ts';

const THING = 'at worker';

/** One process: calls that run and wait, and what it has of the places. */
class Process {
  readonly id: number;
  readonly holding = new Holding();
  readonly toLedger: { words: number; needs: Need[]; times: number }[] = [];
  readonly fromLedger: { heard: number; terms: Term[] }[] = [];
  running = 0;
  waiting = 0;
  isServing = true;
  refuses = false;
  /** How often it was told anything. */
  times = 0;
  #words = 0;
  readonly #total: () => number;

  constructor(id: number, total: () => number) {
    this.id = id;
    this.#total = total;
  }

  say(): void {
    this.#words += 1;
    const present = new Set(this.isServing ? [THING] : []);
    const needs = this.holding.forget(present, this.#words);
    if (this.isServing) {
      const given = this.holding.giveBack(THING, this.holding.amount(THING) - this.running);
      const need = this.holding.say(
        THING,
        { total: this.#total(), first: this.running + this.waiting, rest: 0, refuses: this.refuses },
        given,
      );
      if (need) needs.push(need);
    }
    this.toLedger.push({ words: this.#words, needs, times: this.times });
  }

  take(): void {
    while (this.isServing && this.waiting > 0 && this.running < this.holding.usable(THING)) {
      this.waiting -= 1;
      this.running += 1;
    }
  }
}

class Box {
  readonly ledger = new Ledger();
  readonly processes = new Map<number, Process>();
  total: number;
  #next = 0;

  constructor(total: number, count: number) {
    this.total = total;
    for (let i = 0; i < count; i++) this.start();
  }

  start(): void {
    this.processes.set(this.#next, new Process(this.#next, () => this.total));
    this.#next += 1;
  }

  /** kill -9: what it has said and has not been heard is lost. */
  kill(process: Process): void {
    this.processes.delete(process.id);
    this.ledger.gone(process.id);
    this.send(this.ledger.terms(), null);
    this.start();
  }

  send(all: Map<number, Term[]>, answered: { id: number; words: number } | null): void {
    for (const [id, terms] of all) {
      const heard = answered?.id === id ? answered.words : 0;
      this.processes.get(id)?.fromLedger.push({ heard, terms });
    }
  }

  hear(process: Process): void {
    const said = process.toLedger.shift();
    if (!said) return;
    this.ledger.heard(process.id, said.needs, said.times);
    this.send(this.ledger.terms(), { id: process.id, words: said.words });
  }

  tell(process: Process): void {
    const told = process.fromLedger.shift();
    if (!told) return;
    process.times += 1;
    process.holding.told(told.terms, told.heard);
    process.take();
  }

  /** Everything that is on its way arrives, and nobody has anything more to say. */
  settle(): void {
    for (let quiet = 0; quiet < 2;) {
      const all = [...this.processes.values()];
      for (const each of all) each.say();
      quiet = all.every(({ toLedger }) => toLedger.every(({ needs }) => needs.length === 0)) ? quiet + 1 : 0;
      for (const each of all) while (each.toLedger.length > 0) this.hear(each);
      for (const each of all) while (each.fromLedger.length > 0) this.tell(each);
    }
  }
}

type Act = readonly [kind: string, which: number, amount: number];
const act: fc.Arbitrary<Act> = fc.tuple(
  fc.constantFrom('come', 'come', 'end', 'end', 'say', 'say', 'hear', 'hear', 'tell', 'tell', 'kill', 'leave', 'back', 'total', 'refuse'),
  fc.nat(4),
  fc.nat(6),
);

function perform(box: Box, [kind, which, amount]: Act): void {
  const all = [...box.processes.values()];
  const process = all[which % all.length]!;
  switch (kind) {
    case 'come':
      process.waiting += amount;
      process.take();
      break;
    case 'end':
      process.running = Math.max(0, process.running - amount);
      process.take();
      break;
    case 'say':
      process.say();
      break;
    case 'hear':
      box.hear(process);
      break;
    case 'tell':
      box.tell(process);
      break;
    case 'kill':
      box.kill(process);
      break;
    case 'leave':
      // Its calls end before it says that it knows the worker no more.
      if (process.running === 0) process.isServing = false;
      break;
    case 'refuse':
      process.refuses = amount % 2 === 0;
      break;
    case 'back':
      process.isServing = true;
      break;
    case 'total':
      box.total = amount;
      break;
  }
}

function handedOut(box: Box): number {
  return [...box.ledger.held(THING).values()].reduce((sum, each) => sum + each, 0);
}

test('processes never use more together than there is, whatever happens and in whatever order it is heard', () => {
  fc.assert(
    fc.property(fc.nat(8), fc.integer({ min: 1, max: 4 }), fc.array(act, { maxLength: 120 }), (total, count, acts) => {
      const box = new Box(total, count);
      let most = total;
      for (const each of acts) {
        const before = handedOut(box);
        perform(box, each);
        most = Math.max(most, box.total);
        expect(handedOut(box)).toBeLessThanOrEqual(Math.max(most, before));
        for (const process of box.processes.values()) {
          const has = process.holding.amount(THING);
          expect(process.running).toBeLessThanOrEqual(has);
          expect(has).toBeLessThanOrEqual(box.ledger.held(THING).get(process.id) ?? 0);
        }
      }
    }),
    { numRuns: histories(1_500) },
  );
});

test('what is there is found by whoever waits for it, and after a change of how much there is no more than that is handed out', () => {
  fc.assert(
    fc.property(fc.nat(8), fc.integer({ min: 1, max: 4 }), fc.array(act, { maxLength: 60 }), (total, count, acts) => {
      const box = new Box(total, count);
      for (const each of acts) perform(box, each);
      for (const process of box.processes.values()) {
        process.isServing = true;
        process.refuses = false;
        process.running = 0;
      }
      box.settle();
      // What had begun before there was less goes on to its end.
      for (const process of box.processes.values()) process.running = 0;
      box.settle();
      expect(handedOut(box)).toBeLessThanOrEqual(box.total);
      const all = [...box.processes.values()];
      const running = all.reduce((sum, each) => sum + each.running, 0);
      const waiting = all.reduce((sum, each) => sum + each.waiting, 0);
      expect(running).toBe(Math.min(box.total, running + waiting));
    }),
    { numRuns: histories(1_000) },
  );
});

test('nobody waits for ever, however few places there are and however many calls the others have', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 5 }), fc.nat(4), (total, count, which) => {
      const box = new Box(total, count);
      const all = [...box.processes.values()];
      for (const each of all) each.waiting = each.id === which % count ? 1 : 1_000;
      const patient = all[which % count]!;
      for (let round = 0; round < 3 * count && patient.waiting > 0; round++) {
        box.settle();
        for (const each of all) each.running = 0;
        for (const each of all) each.take();
      }
      expect(patient.waiting).toBe(0);
    }),
    { numRuns: 200 },
  );
});

const some = { first: 0, rest: 0, held: 0, servedAt: 0 };

test('shares never add up to more than there is, and leave nothing that somebody needs', () => {
  const wanted = fc.record({ first: fc.nat(20), rest: fc.nat(20), held: fc.nat(9), servedAt: fc.nat(9) });
  fc.assert(
    fc.property(fc.integer({ min: -2, max: 40 }), fc.array(wanted, { minLength: 1, maxLength: 6 }), (total, all) => {
      const shares = sharesOf(total, all);
      const sum = shares.reduce((a, b) => a + b, 0);
      const needed = all.reduce((a, { first, rest }) => a + first + rest, 0);
      expect(sum).toBeLessThanOrEqual(Math.max(0, total));
      expect(sum).toBeGreaterThanOrEqual(Math.min(Math.max(0, total), needed));
    }),
  );
});

test.each([
  ['in equal parts', 8, [{ first: 10 }, { first: 10 }], [4, 4]],
  ['no more than is needed, the rest to others', 8, [{ first: 2 }, { first: 10 }], [2, 6]],
  [
    'the odd one stays where it is',
    3,
    [
      { first: 9, held: 1, servedAt: 1 },
      { first: 9, held: 2, servedAt: 2 },
    ],
    [1, 2],
  ],
  [
    'the only one goes to who was served longest ago',
    1,
    [
      { first: 9, held: 1, servedAt: 2 },
      { first: 1, servedAt: 1 },
    ],
    [0, 1],
  ],
  ['interactive calls before others, wherever they wait', 4, [{ rest: 9 }, { first: 3 }], [1, 3]],
  ['half of what nobody needs is at hand', 8, [{}, {}], [2, 2]],
])('%s', (_, total, wanted, shares) => {
  expect(
    sharesOf(
      total,
      wanted.map((one) => ({ ...some, ...one })),
    ),
  ).toEqual(shares);
});
