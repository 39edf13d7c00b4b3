import { Redis } from 'iovalkey';
import type { Grant, Spend, Want } from '../../../gateway/core/budget-terms.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { systemRandom } from '../../../gateway/core/random.ts';
import { budgetScript } from '../../../gateway/state/budget-script.ts';
import { SharedBudgets } from '../../../gateway/state/shared-budgets.ts';
import type { Exchanged } from '../../../gateway/state/store/words.ts';
import { StoreLink } from '../../../gateway/state/store-link.ts';
import { connectToValkey } from '../../../gateway/state/valkey-connection.ts';
import { RecordedEvents } from '../../support/recorded-events.ts';
import { NO_REDIS_SERVER, startRedisServer } from '../../support/redis-server.ts';
import { IN_POSTGRES, inFile, type Kept, USAGE_DRIVERS } from './store/usage-drivers.ts';

/** Where the test's own clock stands, in the server. */
const TEST_TIME = "{ redis.call('GET', 'seconds'), redis.call('GET', 'microseconds') }";
const FORGET = "for _, key in ipairs(redis.call('KEYS', '*:budget')) do redis.call('DEL', key) end";
const EPOCH_S = 1_800_000_000;

/** Usage and budgets of a machine, or of several, with numbers for the batches. */
class Numbered {
  readonly #kept: Kept;
  readonly #batches = new Map<string, number>();

  constructor(kept: Kept) {
    this.#kept = kept;
  }

  async exchange(holder: string, spends: readonly Spend[], wants: readonly Want[], at: number): Promise<Exchanged> {
    const number = (this.#batches.get(holder) ?? 0) + 1;
    this.#batches.set(holder, number);
    await this.#kept.setTime(at);
    return this.#kept.exchange({ holder, now: 0, batch: { number, usage: [], spends }, wants, asksSpent: false });
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
  ...USAGE_DRIVERS.map(({ name, missing, open }) => ({ name, missing, open: async () => alone(await open()) })),
  { name: 'a server, and a file for each process', missing: NO_REDIS_SERVER, open: serverAndFiles },
  {
    name: 'a server, and a PostgreSQL that all share',
    missing: NO_REDIS_SERVER ?? IN_POSTGRES.missing,
    open: serverAndPostgres,
  },
];

type UsageDriver = Awaited<ReturnType<(typeof IN_POSTGRES)['open']>>;

function alone(driver: UsageDriver): BudgetDriver {
  return {
    async fresh() {
      const kept = new Numbered(await driver.fresh());
      return async (holder, spends, wants, at) => (await kept.exchange(holder, spends, wants, at)).grants;
    },
    [Symbol.asyncDispose]: () => driver[Symbol.asyncDispose](),
  };
}

async function serverAndFiles(): Promise<BudgetDriver> {
  return withServer(() => Promise.resolve(() => new Numbered(inFile())));
}

async function serverAndPostgres(): Promise<BudgetDriver> {
  const driver = await IN_POSTGRES.open();
  const both = await withServer(async () => {
    const one = new Numbered(await driver.fresh());
    return () => one;
  });
  return {
    fresh: () => both.fresh(),
    async [Symbol.asyncDispose]() {
      await both[Symbol.asyncDispose]();
      await driver[Symbol.asyncDispose]();
    },
  };
}

/** @param begin what each process keeps its own in */
async function withServer(begin: () => Promise<() => Numbered>): Promise<BudgetDriver> {
  const server = await openBudgetServer();
  return {
    async fresh() {
      await server.forget();
      const keptBy = await begin();
      const machines = new Map<string, { readonly kept: Numbered; readonly budgets: SharedBudgets }>();
      return async (holder, spends, wants, at) => {
        const machine = machines.get(holder) ?? { kept: keptBy(), budgets: server.budgets(holder) };
        machines.set(holder, machine);
        await server.setTime(at);
        const { database, grants } = await machine.kept.exchange(holder, spends, wants, at);
        return machine.budgets.share(database, wants, grants);
      };
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
