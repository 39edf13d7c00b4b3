import { DatabaseSync } from 'node:sqlite';
import type { Budgeted, BudgetHold } from '../../../gateway/policies/budgets/budgets.ts';
import { BudgetBooks } from '../../../gateway/policies/budgets/budgets.ts';
import type { SharedBudgets } from '../../../gateway/state/shared-budgets.ts';
import type { StoreLink } from '../../../gateway/state/store-link.ts';
import { migrate } from '../../../gateway/state/store/sqlite/migrations.ts';
import { Records } from '../../../gateway/state/store/sqlite/records.ts';
import type { Exchange, Exchanged } from '../../../gateway/state/store/words.ts';
import { RecordKeeper } from '../../../gateway/usage/record-keeper.ts';
import { UsageBook } from '../../../gateway/usage/usage-book.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import type { BudgetServer } from './budget-drivers.ts';

/** For longer than this a gateway that has been forgotten waits until others have told what they hold. */
const RETOLD_MS = 7_000;

/** The file of one machine, in memory. */
export class Machine {
  readonly #db = new DatabaseSync(':memory:');
  readonly #records: Records;

  constructor() {
    migrate(this.#db);
    this.#records = new Records(this.#db);
  }

  exchange(said: Exchange): Exchanged {
    return this.#records.exchange(said, 86_400_000);
  }

  spent(subject: string, window: string): number {
    const row = this.#db.prepare('SELECT tokens FROM spent WHERE subject = ? AND window = ?').get(subject, window);
    return Number(row?.['tokens'] ?? 0);
  }

  /** One of its processes says nothing more. */
  forget(holder: string): void {
    this.#db.prepare('DELETE FROM holders WHERE id = ?').run(holder);
  }
}

type Fault = 'none' | 'deaf' | 'mute' | 'late';

/** One process of a gateway, with all that has to do with budgets, at times that a test names. */
export class Process {
  readonly machine: Machine;
  readonly holder: string;
  readonly books: BudgetBooks;
  readonly #keeper: RecordKeeper;
  /** Questions that are on their way to the server for long. */
  readonly late: (() => Promise<unknown>)[] = [];
  isUp = true;
  /** What goes wrong with the next exchange. deaf: the file's answer is lost; mute: the server's; late: the question. */
  fault: Fault = 'none';
  #storeLife = 1;
  #unsureUntil = -Infinity;

  constructor(server: BudgetServer, machine: Machine, holder: string, now: () => number) {
    this.machine = machine;
    this.holder = holder;
    this.books = new BudgetBooks(() => 3);
    const run: StoreLink['run'] = async (script, keys, args) => {
      if (this.fault !== 'late') {
        const reply = await server.link.run(script, keys, args);
        return this.fault === 'mute' ? null : reply;
      }
      this.late.push(() => server.link.run(script, keys, args));
      return null;
    };
    const [life, up] = [(): number => this.#storeLife, (): boolean => this.isUp];
    const shared: SharedBudgets = server.budgets(holder, {
      clock: { now, wall: () => 0 },
      link: {
        ...{ nextTryMs: 0, run },
        get isUp() {
          return up();
        },
      },
      presence: {
        get storeLife() {
          return life();
        },
        isUnsure: (at) => at < this.#unsureUntil,
      },
    });
    this.#keeper = new RecordKeeper({
      clock: createFakeClock(),
      log: { info() {}, warn() {}, error() {} },
      holder,
      usage: new UsageBook(),
      budgets: this.books,
      shared: () => shared,
      records: {
        kind: 'file',
        place: 'headgate.db',
        exchange: (said) => {
          const answer = machine.exchange(said);
          return Promise.resolve(this.fault === 'deaf' ? { ok: false, trouble: 'disk', message: 'no' } : answer);
        },
        usage: () => Promise.resolve([]),
      },
    });
  }

  async exchange(fault: Fault = 'none'): Promise<boolean> {
    this.fault = fault;
    const isDone = await this.#keeper.exchange();
    this.fault = 'none';
    return isDone;
  }

  /** As a call does, where nobody is let in without an answer. */
  async take(budgeted: Budgeted, tokens: number, wall: number): Promise<{ hold: BudgetHold | null; isTold: boolean }> {
    const taking = this.books.take(budgeted, tokens, tokens, wall, 0);
    if (taking.kind !== 'short') return { hold: taking.kind === 'taken' ? taking.hold : null, isTold: false };
    const wait = this.books.wait(taking.parts);
    const isTold = await this.exchange();
    this.books.leave(wait);
    const again = wait.taking ?? (isTold ? this.books.takeAgain(taking.parts, false, Infinity) : null);
    return { hold: again?.kind === 'taken' ? again.hold : null, isTold };
  }

  /** It has found out that the server may know nothing of it, or anything. */
  forgotten(now: number): void {
    this.#storeLife += 1;
    this.#unsureUntil = now + RETOLD_MS;
  }
}
