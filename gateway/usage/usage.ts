import { answeringModel, type Call } from '../core/call.ts';
import type { Clock } from '../core/clock.ts';
import type { Log } from '../core/log/log.ts';
import { ANONYMOUS_NAME, nameOf } from '../core/principal.ts';
import type { UsageRecords } from '../state/store/ports.ts';
import type { UsageRow } from '../state/store/words.ts';
import { RecordKeeper, type SharedBudgets, type SpentBooks } from './record-keeper.ts';
import { type Counted, UsageBook } from './usage-book.ts';
import { type UsageQuestion, type UsageReport, usageReport } from './usage-report.ts';

const HOUR_MS = 3_600_000;

interface UsageOptions {
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  /** null: nothing is written down here. They are closed by whoever opened them. */
  readonly records: UsageRecords | null;
  readonly holder: string;
  readonly budgets: SpentBooks;
  /** Where they meet those of other machines; null: nowhere. Asked once calls are served. */
  readonly sharedBudgets: () => SharedBudgets | null;
}

/** Who used how much, from the end of each call to the report of a year later. Off, it is a look at a field for each call. */
export class Usage {
  readonly #clock: Clock;
  readonly #book = new UsageBook();
  readonly #keeper: RecordKeeper | null;
  #isOn = false;

  constructor({ clock, log, records, holder, budgets, sharedBudgets: shared }: UsageOptions) {
    this.#clock = clock;
    const usage = this.#book;
    this.#keeper = records && new RecordKeeper({ clock, log, records, holder, usage, budgets, shared });
  }

  /** Whether it is to be taken down from now on. What was is known all the same. */
  configure(isWanted: boolean): void {
    this.#isOn = isWanted && this.#keeper !== null;
    if (this.#isOn) this.#keeper!.begin();
  }

  /** A call has got an answer. */
  readonly counted = (call: Call, tokens: Counted): void => {
    if (this.#isOn) this.#book.add(nameOf(call.principal) ?? ANONYMOUS_NAME, answeringModel(call), tokens, this.#clock.wall());
  };

  /** Where budgets are kept; null: in memory alone. */
  get records(): Pick<RecordKeeper, 'exchange' | 'isAway'> | null {
    return this.#isOn ? this.#keeper : null;
  }

  /** How many write where this one does, as was last heard; null: only processes of this machine can. */
  get processes(): number | null {
    return this.#isOn ? (this.#keeper?.processes ?? null) : null;
  }

  /** Writes down what there is. @returns what it could not */
  async unwritten(): Promise<readonly UsageRow[]> {
    return (await this.#keeper?.flush()) ?? [];
  }

  /** @param unwritten what no process could write, ours among them @returns null where nothing is taken down */
  report(question: UsageQuestion, unwritten: () => Promise<readonly UsageRow[]>): Promise<UsageReport> | null {
    const keeper = this.#isOn ? this.#keeper : null;
    return keeper && this.#report(keeper, question, unwritten);
  }

  async close(): Promise<void> {
    await this.#keeper?.close();
  }

  async #report(keeper: RecordKeeper, question: UsageQuestion, unwritten: () => Promise<readonly UsageRow[]>): Promise<UsageReport> {
    const rows = await unwritten();
    const written = await keeper.read(question.since / HOUR_MS, question.key);
    return usageReport(question, written, rows, this.#clock.wall());
  }
}
