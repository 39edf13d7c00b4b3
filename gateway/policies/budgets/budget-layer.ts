import type { Call } from '../../core/call.ts';
import type { Clock } from '../../core/clock.ts';
import type { Events } from '../../core/events.ts';
import type { Layer } from '../../core/handler.ts';
import { ANONYMOUS_NAME, type Budgets, flowOf, type Principal } from '../../core/principal.ts';
import type { Outcome, Reply } from '../../core/reply.ts';
import { TokenEstimates } from '../limits/token-estimate.ts';
import { usedTokens } from '../limits/used-tokens.ts';
import { budgetRefusal, budgetsUnknown } from './budget-refusal.ts';
import type { BudgetBooks, Budgeted, BudgetTaking, Part } from './budgets.ts';
import type { BudgetRecords, MeetingPlace } from './ports.ts';

/** How long a call waits for the records, which answer within a millisecond or are in trouble. */
const ASK_MS = 150;
/** The same where nothing is known yet of what was spent before. */
const FIRST_ASK_MS = 2_000;

type KnownTaking = Exclude<BudgetTaking, { kind: 'short' }>;

interface BudgetContext {
  readonly clock: Clock;
  readonly events: Pick<Events, 'limited'>;
  readonly books: BudgetBooks;
  /** null: what is spent is known here alone, and as long as this process lives. */
  readonly records: () => BudgetRecords | null;
  /** null: budgets are those of one machine. */
  readonly meetingPlace: MeetingPlace | null;
  /** null: there is no budget. Asked for each call, so that what is set meanwhile holds. */
  readonly budgetsOf: (principal: Principal) => Budgeted | null;
}

/** Budgets as whoever knows the keys says. */
export function budgetsBy(door: { budgetsOf(principal: Principal): Budgets | null }): (principal: Principal) => Budgeted | null {
  return (principal) => {
    const budgets = door.budgetsOf(principal);
    if (budgets === null) return null;
    const isAddress = principal.kind === 'anonymous';
    return { subject: flowOf(principal), isAddress, name: isAddress ? ANONYMOUS_NAME : principal.name, budgets };
  };
}

/**
 * Holds keys and addresses to what they may use in a day and a month. As with limits, tokens are taken before a call by an estimate, and
 * corrected at its end. Nobody waits for a budget: it may be weeks until there is a new one.
 */
export function budgetLayer({ clock, events, books, records, meetingPlace, budgetsOf }: BudgetContext): Layer {
  const estimates = new TokenEstimates();

  /** More is asked for than this process has at hand. @throws the reason of the call's cancellation */
  async function asked(call: Call, parts: readonly Part[], name: string): Promise<KnownTaking> {
    const kept = records();
    const isKnown = parts.every(({ account }) => account.isKnown);
    if (kept === null) return books.takeAgain(parts, true, clock.now());
    // Where the others are away the file says at least what was spent here.
    if (kept.isAway || (isKnown && meetingPlace?.isAway)) return alone(parts, name);
    const wait = books.wait(parts);
    const until = clock.now() + (isKnown ? ASK_MS : FIRST_ASK_MS);
    let isAnswered: boolean;
    try {
      // Meanwhile a call may have used more than it had taken: it takes another answer to say that there is no more.
      do isAnswered = await answerWithin(until - clock.now(), call, kept.exchange());
      while (isAnswered && wait.taking === null && !books.isScarce(parts) && clock.now() < until);
    } catch (reason) {
      wait.taking?.hold.settle(0);
      throw reason;
    } finally {
      books.leave(wait);
    }
    return wait.taking ?? (isAnswered && books.isScarce(parts) ? books.takeAgain(parts, false, clock.now()) : alone(parts, name));
  }

  /** Nobody says what is left. @throws store_unavailable */
  function alone(parts: readonly Part[], name: string): KnownTaking {
    meetingPlace?.missed();
    switch (meetingPlace?.whenAway ?? 'local') {
      case 'local':
        return books.takeAgain(parts, true, clock.now());
      case 'allow':
        return books.takeAnyway(parts);
      case 'deny':
        throw budgetsUnknown(name, meetingPlace!.nextTryMs);
    }
  }

  function answerWithin(limitMs: number, call: Call, answer: Promise<boolean>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const done = (): void => {
        timer.cancel();
        offCancel();
      };
      const timer = clock.after(limitMs, () => {
        done();
        resolve(false);
      });
      const offCancel = call.cancellation.onCancel((reason) => {
        timer.cancel();
        reject(reason);
      });
      void answer.then((isAnswered) => {
        done();
        resolve(isAnswered);
      });
    });
  }

  async function counted(next: (call: Call) => Promise<Reply>, call: Call, budgeted: Budgeted): Promise<Reply> {
    const { subject, name } = budgeted;
    const estimate = estimates.of(subject, call);
    const needs = estimate.prompt + estimate.answer;
    // What a worker has kept was spent when it was made.
    if (needs === 0) return next(call);
    const wall = clock.wall();
    let taking = books.take(budgeted, needs, estimate.asked ?? 0, wall, clock.now());
    if (taking.kind === 'short') taking = await asked(call, taking.parts, name);
    if (taking.kind === 'refused') {
      const { shortage } = taking;
      events.limited(call, name, shortage.window.limit);
      throw budgetRefusal(shortage, name, estimate, wall);
    }
    const { hold } = taking;
    const settle = (outcome?: Outcome): void => hold.settle(usedTokens(estimates, subject, call, estimate, outcome));
    try {
      const reply = await next(call);
      reply.ended.onSettled(settle);
      return reply;
    } catch (error) {
      settle();
      throw error;
    }
  }

  return (next) =>
    function budgetedCall(call) {
      const budgeted = budgetsOf(call.principal);
      return budgeted === null ? next(call) : counted(next, call, budgeted);
    };
}
