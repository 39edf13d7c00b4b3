import { backOffMs } from '../core/back-off.ts';
import { type Clock, repeat, sleep, type Timer } from '../core/clock.ts';
import type { Log } from '../core/log/log.ts';
import type { UsageRecords } from '../state/store/ports.ts';
import { adviceFor } from '../state/store/trouble.ts';
import type { Batch, Grant, Spend, StoreFailure, StoreTrouble, UsageRow, UsageSum, Want } from '../state/store/words.ts';
import type { UsageBook } from './usage-book.ts';

/** A kill takes what came since. */
const WRITE_MS = 1_000;
/** What is wrong with a file lasts. A server is back at once, and keeps for a lease what whoever comes back in time had before. */
const BACK_OFF = { file: { firstMs: 1_000, longestMs: 60_000 }, server: { firstMs: 1_000, longestMs: 5_000 } };
/** A server hears so often from whoever has nothing to say. */
const ALIVE_MS = 5_000;
/** An answer takes a few milliseconds, unless somebody keeps the file, or disk or server have much to do. */
const SLOW_MS = 150;
/** Whoever looks at the records, or ends the gateway, waits so long for what is not written yet. */
const FLUSH_MS = 800;
const READ_MS = 5_000;

/** Budgets, as far as the records have to know of them. */
export interface SpentBooks {
  /** There is nothing to be said of them. */
  readonly isQuiet: boolean;
  /** What was spent since the last call; it is told from now on by whoever calls. */
  spends(): readonly Spend[];
  wants(): readonly Want[];
  told(grants: readonly Grant[]): void;
  /** What was spent on this machine, where more may not be known. */
  toldOfMachine(grants: readonly Grant[]): void;
}

/** Where several machines hand out their budgets together. */
export interface SharedBudgets {
  /** It may know nothing of what this machine has spent: all of that is to be told. */
  readonly isBlank: boolean;
  /** Tells what this machine has spent of the budgets that something is wanted of. @returns what was answered. Never rejects */
  share(database: string, wants: readonly Want[], machine: readonly Grant[]): Promise<readonly Grant[]>;
  /** Tells all that this machine has spent. Never rejects */
  tellAll(database: string, spent: readonly Spend[]): Promise<void>;
}

interface RecordKeeperOptions {
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>;
  readonly records: UsageRecords;
  /** No other life of any process has the same. */
  readonly holder: string;
  readonly usage: UsageBook;
  readonly budgets: SpentBooks;
  /** null: budgets are those of one machine. */
  readonly shared: () => SharedBudgets | null;
}

/**
 * Writes down what was used, once a second and when somebody waits for it. What could not be written is kept, sent again, and counted once
 * however often it is sent.
 */
export class RecordKeeper {
  readonly #options: RecordKeeperOptions;
  #timer: Timer | null = null;
  #running: Promise<boolean> | null = null;
  #next: Promise<boolean> | null = null;
  /** What was sent last, as long as nobody knows that it has been written. */
  #batch: Batch | null = null;
  #batches = 0;
  #failures = 0;
  /** Monotonic ms since when an answer is waited for; null: for none. */
  #askedAt: number | null = null;
  #endedAt = -Infinity;
  #hasWorked = false;
  #processes: number | null = null;
  #againAt = -Infinity;
  #told: StoreTrouble | null = null;
  #lost = 0;

  constructor(options: RecordKeeperOptions) {
    this.#options = options;
  }

  /** Asks for the first time, and writes from now on. Calling it again changes nothing. */
  begin(): void {
    if (this.#timer !== null) return;
    void this.exchange();
    this.#timer = repeat(this.#options.clock, WRITE_MS, () => this.#tick());
  }

  /** Processes that write into the same records, as was last heard, this one among them; null: they are those of one machine. */
  get processes(): number | null {
    return this.#processes;
  }

  /** The records could not be used when that was last tried, or keep whoever asks waiting now. */
  get isAway(): boolean {
    return this.#failures > 0 || (this.#hasWorked && this.#askedAt !== null && this.#options.clock.now() - this.#askedAt > SLOW_MS);
  }

  /** Writes everything that there is now, and hears of budgets. @returns whether that went well. Never rejects */
  exchange(): Promise<boolean> {
    if (this.#running === null) {
      const running = this.#run();
      this.#running = running;
      void running.then(() => (this.#running = null));
      return running;
    }
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      return this.exchange();
    });
    return this.#next;
  }

  /** Writes what there is, or gives up soon. @returns what is not written */
  async flush(): Promise<readonly UsageRow[]> {
    const { clock, usage } = this.#options;
    if (this.#timer === null) return [];
    const all = async (): Promise<void> => {
      // The first writes, the next gives back what is at hand for calls of which none came since.
      for (let i = 0; i < 3 && (this.#batch !== null || !usage.isEmpty || !this.#options.budgets.isQuiet); i++) {
        if (!(await this.exchange())) return;
      }
    };
    await Promise.race([all(), sleep(clock, FLUSH_MS)]);
    // Of what is on its way nobody can say.
    return [...usage.rows(), ...(this.#failures > 0 && this.#running === null ? (this.#batch?.usage ?? []) : [])];
  }

  /** What has been written. */
  read(fromHour: number, key: string | null): Promise<readonly UsageSum[] | StoreFailure> {
    const { clock, records } = this.#options;
    const late = (): StoreFailure => ({ ok: false, trouble: 'timeout', message: `it does not answer within ${READ_MS / 1000} s` });
    return Promise.race([records.usage(fromHour, key), sleep(clock, READ_MS).then(late)]);
  }

  async close(): Promise<void> {
    const { log, records } = this.#options;
    if (this.#timer === null) return;
    this.#timer.cancel();
    const left = await this.flush();
    if (left.length > 0) log.warn('database.lost', `Usage of ${requestsIn(left)} requests could not be written to ${records.place}.`);
  }

  #tick(): void {
    const { clock, records, usage, budgets, shared } = this.#options;
    if (clock.now() < this.#againAt) return;
    const isAwaited = records.kind === 'server' && clock.now() - this.#endedAt >= ALIVE_MS;
    if (this.#batch === null && usage.isEmpty && budgets.isQuiet && !shared()?.isBlank && !isAwaited) return;
    void this.exchange();
  }

  async #run(): Promise<boolean> {
    const { clock, records, holder, usage, budgets } = this.#options;
    const shared = this.#options.shared();
    this.#batch ??= { number: ++this.#batches, usage: usage.take(), spends: budgets.spends() };
    this.#askedAt = clock.now();
    const wants = budgets.wants();
    const asksSpent = shared?.isBlank ?? false;
    const answer = await records.exchange({ holder, now: clock.wall(), batch: this.#batch, wants, asksSpent });
    this.#askedAt = null;
    this.#endedAt = clock.now();
    if ('trouble' in answer) {
      this.#againAt = clock.now() + backOffMs(BACK_OFF[records.kind], this.#failures++);
      this.#tell(answer);
      return false;
    }
    this.#batch = null;
    this.#failures = 0;
    this.#hasWorked = true;
    this.#processes = answer.processes;
    this.#tellWell();
    if (shared === null) {
      budgets.told(answer.grants);
      return true;
    }
    const { database, spent } = answer;
    if (spent !== null) void shared.tellAll(database, spent);
    const grants = await shared.share(database, wants, answer.grants);
    budgets.told(grants);
    budgets.toldOfMachine(answer.grants);
    return grants.length === wants.length;
  }

  #tell({ trouble, message }: StoreFailure): void {
    // Another process has it for a moment: what counts is whether that lasts.
    if (trouble === this.#told || (trouble === 'locked' && this.#failures < 2)) return;
    const { log, records } = this.#options;
    this.#told = trouble;
    const meanwhile = 'Calls are served; what they use is kept in memory, and written when that is possible again.';
    const advice = adviceFor(trouble, records.kind);
    log.error('database.away', `${atStart(records.place)} cannot be used: ${message}. ${meanwhile} What helps: ${advice}.`, {
      reason: trouble,
    });
  }

  #tellWell(): void {
    const { log, records, usage } = this.#options;
    if (this.#told === null) return;
    this.#told = null;
    const lost = usage.lost - this.#lost;
    this.#lost = usage.lost;
    const cost = lost === 0 ? 'nothing is missing' : `the usage of ${lost} requests is missing, for which there was no room in memory`;
    log.info('database.back', `${atStart(records.place)} can be used again; ${cost}.`);
  }
}

/** As the first words of a sentence. */
function atStart(place: string): string {
  return place.startsWith('the ') ? `T${place.slice(1)}` : place;
}

function requestsIn(rows: readonly UsageRow[]): number {
  return rows.reduce((sum, { requests }) => sum + requests, 0);
}
