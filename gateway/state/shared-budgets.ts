import { createHash } from 'node:crypto';
import type { BudgetName, Grant, Spend, Want } from '../core/budget-terms.ts';
import type { Clock } from '../core/clock.ts';
import type { Events } from '../core/events.ts';
import type { WhenUnavailable } from '../policies/limits/limiter.ts';
import { BUDGET, type Share } from './budget-script.ts';
import type { SharedLimits } from './open-shared-limits.ts';
import type { Presence } from './presence.ts';
import type { Script } from './script.ts';
import type { StoreLink } from './store-link.ts';

/** What a process may use that is not heard of for so long is free again. */
const LEASE_MS = 15_000;
/** How long after its end a budget is kept: a clock may step back. */
const KEPT_MS = 3 * 86_400_000;
/** Commands that are sent before the first of them is waited for. */
const AT_ONCE = 100;
const DIGEST_CHARS = 32;

interface SharedBudgetsOptions {
  readonly clock: Pick<Clock, 'now' | 'wall'>;
  readonly link: Pick<StoreLink, 'isUp' | 'nextTryMs' | 'run'>;
  readonly presence: Pick<Presence, 'storeLife' | 'isUnsure'>;
  readonly whenUnavailable: () => WhenUnavailable;
  /** A call was decided without the store. */
  readonly onMissed: () => void;
  readonly prefix: string;
  /** No other life of any process has the same. */
  readonly holder: string;
  readonly script?: Script<Share>;
}

interface ShareOptions extends Pick<SharedBudgetsOptions, 'clock' | 'whenUnavailable' | 'prefix' | 'holder'> {
  readonly events: Pick<Events, 'storeMissed'>;
}

/** Budgets in the store in which limits are shared, over the same connection. */
export function shareBudgets({ link, presence }: SharedLimits, { events, ...options }: ShareOptions): SharedBudgets {
  return new SharedBudgets({ ...options, link, presence, onMissed: () => events.storeMissed('budgets') });
}

/**
 * Budgets that the gateways of several machines hand out together: each tells what its own file says was spent there, and is granted what it
 * may use of the rest. The file is always asked first, so that nothing counts twice, or not at all, that is on its way from one to the other.
 */
export class SharedBudgets {
  readonly #options: SharedBudgetsOptions;
  #questions = 0;
  /** The life of the store to which all was told. */
  #toldTo = -1;
  #isTelling = false;

  constructor(options: SharedBudgetsOptions) {
    this.#options = options;
  }

  /** Nobody is to be asked there, or it does not know yet what others hold. */
  get isAway(): boolean {
    return !this.#options.link.isUp || this.#isUnsure;
  }

  get nextTryMs(): number {
    return this.#options.link.nextTryMs;
  }

  get whenAway(): WhenUnavailable {
    return this.#options.whenUnavailable();
  }

  missed(): void {
    this.#options.onMissed();
  }

  /** It may know nothing of what this machine has spent, and is told nothing of it at the moment. */
  get isBlank(): boolean {
    const { link, presence } = this.#options;
    return link.isUp && !this.#isTelling && this.#toldTo !== presence.storeLife;
  }

  /**
   * Tells what this machine has spent of budgets, and wants some. Never rejects
   * @param machine what the file says of them, in the same order @returns what was granted: nothing, while it is away
   */
  async share(database: string, wants: readonly Want[], machine: readonly Grant[]): Promise<readonly Grant[]> {
    const grants: Grant[] = [];
    const isUnsure = this.#isUnsure;
    for (let at = 0; at < wants.length && this.#options.link.isUp; at += AT_ONCE) {
      const some = wants.slice(at, at + AT_ONCE);
      const asked = some.map((want, i) => {
        return this.#ask(database, machine[at + i]!.spent, isUnsure ? { ...want, need: 0, spare: 0 } : want);
      });
      const shares = await Promise.all(asked);
      for (const [i, share] of shares.entries()) {
        const { subject, window } = some[i]!;
        if (share !== null && !isUnsure) grants.push({ subject, window, ...share });
      }
      // Whoever waits does not do so once more for each hundred.
      if (shares.includes(null)) break;
    }
    return grants;
  }

  /** Tells all that this machine has spent. Never rejects */
  async tellAll(database: string, spent: readonly Spend[]): Promise<void> {
    const life = this.#options.presence.storeLife;
    this.#isTelling = true;
    let isTold = true;
    for (let at = 0; at < spent.length && isTold; at += AT_ONCE) {
      const some = spent.slice(at, at + AT_ONCE);
      const told = await Promise.all(some.map((spend) => this.#run(database, spend, spend.endsAt, spend.tokens, 0, [])));
      isTold = !told.includes(null);
    }
    this.#isTelling = false;
    if (isTold) this.#toldTo = life;
  }

  get #isUnsure(): boolean {
    const { clock, presence } = this.#options;
    return presence.isUnsure(clock.now());
  }

  #ask(database: string, spent: number, want: Want): Promise<Share | null> {
    const { amount, held, need, spare, known, endsAt } = want;
    const wanted = [this.#options.holder, ++this.#questions, amount, held, need, spare];
    return this.#run(database, want, endsAt, spent, known, wanted);
  }

  #run(
    database: string,
    { subject, window }: BudgetName,
    endsAt: number,
    spent: number,
    known: number,
    wanted: readonly (string | number)[],
  ): Promise<Share | null> {
    const { clock, link, prefix, script = BUDGET } = this.#options;
    const tag = createHash('sha256').update(`${window} ${subject}`).digest('hex').slice(0, DIGEST_CHARS);
    const keptMs = Math.max(0, endsAt - clock.wall()) + KEPT_MS;
    return link.run(script, [`${prefix}{${tag}}:budget`], [database, spent, known, keptMs, LEASE_MS, ...wanted]);
  }
}
