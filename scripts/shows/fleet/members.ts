import { Postgres, whyNoPostgres } from '../../chaos/faults/postgres.ts';
import { Redis, whyNoRedis } from '../../chaos/faults/redis.ts';
import { GatewayProcess } from '../../chaos/gateway/gateway-process.ts';
import { startEngines } from '../engines.ts';
import { Scene, until } from '../scene.ts';
import { Watch } from './watch.ts';

const GATEWAYS = 3;
const SEATS = 16;
/** What a worker has places for: its seats, and the headroom that admission.headroom has by default. */
export const PLACES = SEATS * 1.25;
export const WORKERS = 2;
/** More calls than these are too many. */
export const BOUND = PLACES * 1.2;
export const KEYS = { held: 'fleet-of-gateways-1', counted: 'fleet-of-gateways-2' } as const;
export const HELD = 4;
export const COUNTED = 40;

/** Why a fleet with a store cannot be shown here; null: it can. */
export function whyNot(): string | null {
  return whyNoRedis() ?? whyNoPostgres();
}

/** Gateways in front of the same simulated engines, and what they share. */
export class Members implements AsyncDisposable {
  readonly gateways: readonly GatewayProcess[];
  readonly watch: Watch;
  /** Of the database; null: there is none. */
  readonly database: string | null;
  readonly #stack: AsyncDisposableStack;

  private constructor(gateways: readonly GatewayProcess[], watch: Watch, database: string | null, stack: AsyncDisposableStack) {
    this.gateways = gateways;
    this.watch = watch;
    this.database = database;
    this.#stack = stack;
  }

  /** @param meet in a store and a database; otherwise each only knows how many there are @param processes of each gateway */
  static async start(meet: boolean, processes: number): Promise<Members> {
    await using stack = new AsyncDisposableStack();
    const scene = stack.use(await Scene.open({}, {}));
    const urls = await startEngines(scene, [1, 1], SEATS);
    const redis = meet ? stack.adopt(await Redis.start(), (each) => each.stop()) : null;
    const postgres = meet ? stack.adopt(await Postgres.start(), (each) => each.stop()) : null;
    const database = postgres && postgres.urlBy(postgres.port);
    const settings = {
      workers: urls.map((url) => ({ url, max_num_seqs: SEATS })),
      state: redis === null ? { gateways: GATEWAYS } : { url: `redis://127.0.0.1:${redis.port}`, timeout_ms: 500 },
      ...(database && { database: { url: database }, files: { dir: 'database' } }),
      server: { processes },
      // A busy machine is slow: what is shown here is no time that a call takes.
      admission: { max_queue: 400, queue_timeout_ms: 300_000 },
      timeouts: { request_total_ms: 600_000, first_token_ms: 600_000 },
      auth: {
        allow_anonymous: true,
        keys: [
          { name: 'held', key: KEYS.held, limits: { concurrent_requests: HELD } },
          { name: 'counted', key: KEYS.counted, limits: { requests_per_minute: COUNTED } },
        ],
      },
    };
    const starts = Array.from({ length: GATEWAYS }, () => GatewayProcess.start({ settings, command: 'gateway' }));
    const gateways: GatewayProcess[] = [];
    for (const start of await Promise.allSettled(starts)) if (start.status === 'fulfilled') gateways.push(stack.use(start.value));
    if (gateways.length < GATEWAYS) throw new Error('not all gateways could be started');
    for (const gateway of gateways) {
      await until(async () => (await statusOf(gateway))?.sharing === GATEWAYS, 'each knows of the others', 30_000);
      await until(async () => (await statusOf(gateway))?.ready === WORKERS, 'each has both workers', 30_000);
    }
    const watch = stack.adopt(new Watch(urls), (each) => each.close());
    return new Members(gateways, watch, database, stack.move());
  }

  get urls(): string[] {
    return this.gateways.map(({ url }) => url);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** How many gateways share the workers, as one of them has it, and how many workers it has. */
export async function statusOf(gateway: GatewayProcess): Promise<{ readonly sharing: number; readonly ready: number } | null> {
  const answer = await gateway.admin('/admin/status').catch(() => null);
  if (answer?.status !== 200) return null;
  const status = (await answer.json()) as { gateway: { sharing?: number }; workers: { state: string }[] };
  return { sharing: status.gateway.sharing ?? 1, ready: status.workers.filter(({ state }) => state === 'ready').length };
}
