import { DatabaseSync } from 'node:sqlite';
import { Redis } from 'iovalkey';
import type { Grant, Spend, Want } from '../../../gateway/core/budget-terms.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { systemRandom } from '../../../gateway/core/random.ts';
import { budgetScript } from '../../../gateway/state/budget-script.ts';
import { SharedBudgets } from '../../../gateway/state/shared-budgets.ts';
import { migrate } from '../../../gateway/state/store/sqlite/migrations.ts';
import { Records } from '../../../gateway/state/store/sqlite/records.ts';
import type { Exchanged } from '../../../gateway/state/store/words.ts';
import { StoreLink } from '../../../gateway/state/store-link.ts';
import { connectToValkey } from '../../../gateway/state/valkey-connection.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';
import { NO_REDIS_SERVER, startRedisServer } from '../../support/redis-server.ts';

/** Where the test's own clock stands, in the server. */
const TEST_TIME = "{ redis.call('GET', 'seconds'), redis.call('GET', 'microseconds') }";
const FORGET = "for _, key in ipairs(redis.call('KEYS', '*:budget')) do redis.call('DEL', key) end";
const EPOCH_S = 1_800_000_000;
const DAY_MS = 86_400_000;

/** A file in memory, with numbers for its batches. */
export class File {
  readonly #records: Records;
  readonly #batches = new Map<string, number>();

  constructor() {
    const db = new DatabaseSync(':memory:');
    migrate(db);
    this.#records = new Records(db);
  }

  exchange(holder: string, spends: readonly Spend[], wants: readonly Want[], asksSpent = false, at = 0): Exchanged {
    const number = (this.#batches.get(holder) ?? 0) + 1;
    this.#batches.set(holder, number);
    return this.#records.exchange({ holder, now: 0, batch: { number, usage: [], spends }, wants, asksSpent }, DAY_MS + at);
  }
}

/** A server whose clock a test sets: milliseconds from 0 on. */
export interface BudgetServer extends AsyncDisposable {
  readonly link: StoreLink;
  setTime(at: number): Promise<void>;
  /** It knows nothing any more, but its clock. */
  forget(): Promise<void>;
  /** Of a process, to that server. */
  budgets(holder: string, more?: Partial<ConstructorParameters<typeof SharedBudgets>[0]>): SharedBudgets;
}

export async function openBudgetServer(): Promise<BudgetServer> {
  const server = await startRedisServer();
  const client = new Redis(server.url);
  const script = budgetScript(TEST_TIME);
  const link = new StoreLink({
    ...{ clock: systemClock, random: systemRandom, events: new RecordedEvents(), url: server.url, connect: connectToValkey },
    // A busy machine is no slow store.
    timeoutMs: () => 10_000,
    scripts: [script],
    announce: () => Promise.resolve(2),
  });
  await link.open();
  const setTime = async (at: number): Promise<void> => {
    await client.mset('seconds', EPOCH_S + Math.floor(at / 1_000), 'microseconds', Math.round((at % 1_000) * 1_000));
  };
  return {
    link,
    setTime,
    forget: async () => void (await client.eval(FORGET, 0)),
    budgets: (holder, more) =>
      new SharedBudgets({
        ...{ clock: { now: () => 0, wall: () => 0 }, link, script, prefix: 'test:', holder },
        presence: { storeLife: 0, isUnsure: () => false },
        whenUnavailable: () => 'deny',
        onMissed: () => {},
        ...more,
      }),
    async [Symbol.asyncDispose]() {
      link.close();
      client.disconnect();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Who hands out one budget to processes. */
export interface BudgetDriver extends AsyncDisposable {
  /** As if nothing had ever been spent. */
  fresh(): Promise<(holder: string, spends: readonly Spend[], wants: readonly Want[], at: number) => Promise<readonly Grant[]>>;
}

interface BudgetDriverKind {
  readonly name: string;
  readonly missing: string | null;
  open(): Promise<BudgetDriver>;
}

export const BUDGET_DRIVERS: readonly BudgetDriverKind[] = [
  { name: 'a file', missing: null, open: () => Promise.resolve(oneFile()) },
  { name: 'a server, and a file for each process', missing: NO_REDIS_SERVER, open: serverAndFiles },
];

function oneFile(): BudgetDriver {
  return {
    fresh() {
      const file = new File();
      return Promise.resolve((holder, spends, wants, at) => Promise.resolve(file.exchange(holder, spends, wants, false, at).grants));
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

async function serverAndFiles(): Promise<BudgetDriver> {
  const server = await openBudgetServer();
  return {
    async fresh() {
      await server.forget();
      const machines = new Map<string, { readonly file: File; readonly budgets: SharedBudgets }>();
      return async (holder, spends, wants, at) => {
        const machine = machines.get(holder) ?? { file: new File(), budgets: server.budgets(holder) };
        machines.set(holder, machine);
        await server.setTime(at);
        const { database, grants } = machine.file.exchange(holder, spends, wants);
        return machine.budgets.share(database, wants, grants);
      };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
