import type { Settings } from './config/schema/settings.ts';
import type { Clock } from './core/clock.ts';
import type { Events, LiveFigures } from './core/events.ts';
import type { Layer } from './core/handler.ts';
import type { Log } from './core/log/log.ts';
import type { Random } from './core/random.ts';
import type { WorkerDirectory } from './core/worker.ts';
import type { Door } from './keys/door.ts';
import { budgetLayer, budgetsBy } from './policies/budgets/budget-layer.ts';
import type { BudgetBooks } from './policies/budgets/budgets.ts';
import { Limiter } from './policies/limits/limiter.ts';
import { limitLayer, limitsBy } from './policies/limits/limits.ts';
import { RecordMemory } from './policies/reuse/answer-record.ts';
import { Idempotency } from './policies/reuse/idempotency.ts';
import { Reuse } from './policies/reuse/reuse.ts';
import { openSharedAnswers } from './state/open-shared-answers.ts';
import { openSharedLimits } from './state/open-shared-limits.ts';
import { shareBudgets, type SharedBudgets } from './state/shared-budgets.ts';
import { SharedPlaces } from './state/shared-places.ts';
import type { Usage } from './usage/usage.ts';

/** What all answers that are being made may take in memory for those who come meanwhile. */
const RECORD_BYTES = 67_108_864;

interface EarlyContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly events: Events;
  readonly log: Pick<Log, 'info' | 'warn'>;
  readonly directory: WorkerDirectory;
  readonly door: Door;
  readonly budgets: BudgetBooks;
  readonly usage: Usage;
  /** No other life of any process has the same. */
  readonly holder: string;
  /** What other gateways know this one by, all its processes together. */
  readonly gateway: string;
  /** Another one each time. */
  readonly newId: () => string;
  readonly settings: () => Settings;
  /** Those that are one gateway, and which of them this is, from 0. */
  readonly processes: number;
  readonly process: number;
}

/** The policies that may answer or refuse a call before it takes a place: limits, idempotency, budgets, what was or is being made for others. */
export interface EarlyPolicies {
  readonly layers: readonly Layer[];
  /** How many gateways share what they count; null: that is not known, or they do not. */
  readonly gateways: number | null;
  readonly sharedBudgets: SharedBudgets | null;
  readonly sharedPlaces: SharedPlaces | null;
  /** null: there is no store. */
  readonly storeUp: boolean | null;
  readonly cached: ReturnType<LiveFigures['cache']>;
  limitsUsed(): ReturnType<LiveFigures['limitsUsed']>;
  /** The settings may have changed. */
  configure(): void;
  close(): Promise<void>;
}

/** What they keep is in this process, or, where `state.url` is set, where several gateways share it; then it is connected to first. */
export async function openEarlyPolicies(context: EarlyContext): Promise<EarlyPolicies> {
  const { clock, random, events, log, directory, door, budgets, usage, holder, newId, settings, processes } = context;
  const ownLimiter = new Limiter(processes, context.process);
  const { url, prefix } = settings().state;
  const at = url === null ? null : { clock, random, events, url, prefix };
  const shared = at && (await openSharedLimits({ ...at, id: newId(), local: ownLimiter, now: () => settings().state }));
  const limiter = shared?.limiter ?? ownLimiter;
  const whenUnavailable = () => settings().state.when_unavailable;
  const sharedBudgets = shared && shareBudgets(shared, { clock, events, prefix, holder, whenUnavailable });
  const answers =
    at &&
    (await openSharedAnswers({
      ...{ ...at, log, id: newId() },
      timeoutMs: () => settings().state.timeout_ms,
      cacheTtlMs: () => settings().cache.ttl_ms,
      idempotencyTtlMs: () => settings().idempotency.ttl_ms,
    }));
  const memory = new RecordMemory(RECORD_BYTES / processes);
  const shareOf = (amount: number): number => Math.max(1, Math.floor(amount / processes));
  const reuse = new Reuse({
    ...{ clock, events, directory, memory, shelf: answers?.cache },
    cache: () => {
      const { cache } = settings();
      return { ...cache, max_entries: shareOf(cache.max_entries), max_bytes: shareOf(cache.max_bytes) };
    },
    joins: () => settings().single_flight.enabled,
  });
  const idempotency = new Idempotency({
    ...{ clock, memory, shelf: answers?.idempotency },
    settings: () => ({ ...settings().idempotency, max_bytes: shareOf(settings().idempotency.max_bytes) }),
  });
  return {
    layers: [
      limitLayer({ clock, events, limiter, limitsOf: limitsBy(door), isGone: (principal) => door.isGone(principal) }),
      idempotency.layer(),
      // What was answered before is given again also when the budget that paid for it is used up.
      budgetLayer({ clock, events, books: budgets, records: () => usage.records, meetingPlace: sharedBudgets, budgetsOf: budgetsBy(door) }),
      reuse.layer(),
    ],
    get gateways() {
      return shared?.presence.gateways ?? null;
    },
    sharedBudgets,
    sharedPlaces: shared && new SharedPlaces(shared, prefix, context.gateway),
    get storeUp() {
      return shared?.isUp() ?? null;
    },
    get cached() {
      const { cache } = settings();
      return { ...reuse.kept, maxEntries: cache.enabled ? cache.max_entries : 0, hits: reuse.hits, misses: reuse.misses };
    },
    limitsUsed: () => [...limiter.used(clock.now()), ...budgets.used(clock.wall())],
    configure() {
      reuse.configure();
      idempotency.configure();
    },
    async close() {
      await shared?.close();
      answers?.close();
    },
  };
}
