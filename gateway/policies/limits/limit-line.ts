import { type Call, noteWait } from '../../core/call.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import type { Taking } from './limiter.ts';

/** Calls of one key that wait for its limit; more are refused. */
const MOST_WAITING = 256;

interface Waiting {
  /** Tries again. */
  readonly take: () => Taking | Promise<Taking>;
  /** Monotonic ms until which it may wait. */
  readonly untilMs: number;
  readonly done: (taking: Taking) => void;
  /** When it would be let in, as far as it has been told. */
  waitMs: number;
  timer: Timer | null;
  /** Whoever is asked has not answered yet. */
  isAsking: boolean;
  /** Something was given back since it asked. */
  isPoked: boolean;
  hasLeft: boolean;
}

/** Whether it would be let in only when its time is over. When a place comes free nobody can foretell. */
export function isInVain({ limit, waitMs }: Extract<Taking, { kind: 'refused' }>, patienceMs: number): boolean {
  return waitMs === Infinity || (limit !== 'concurrent' && waitMs > patienceMs);
}

/** Calls that wait until a limit lets them through, each key's in the order of their coming. */
export class LimitLines {
  readonly #clock: Clock;
  readonly #lines = new Map<string, Waiting[]>();
  /** How often something has been given back, by whomever. */
  pokes = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Whether somebody waits: who comes now goes behind. */
  has(subject: string): boolean {
    return this.#lines.has(subject);
  }

  /**
   * Waits until `take` takes, for so long at most. Resolves with what was taken, or with how it was refused last.
   * @param waitMs what it was told; 0: nothing yet, since others wait
   * @throws the reason of the call's cancellation
   */
  async wait(subject: string, call: Call, waitMs: number, take: Waiting['take'], mostMs: number): Promise<Taking> {
    const line = this.#lines.get(subject) ?? [];
    if (line.length >= MOST_WAITING) return take();
    this.#lines.set(subject, line);
    const startedAt = this.#clock.now();
    call.journey.phase = 'queue';
    let offCancel = (): void => {};
    try {
      return await new Promise<Taking>((resolve, reject) => {
        const untilMs = startedAt + mostMs;
        const waiting: Waiting = { take, untilMs, done: resolve, waitMs, timer: null, isAsking: false, isPoked: false, hasLeft: false };
        offCancel = call.cancellation.onCancel((reason) => {
          this.#leave(subject, waiting);
          reject(reason);
        });
        line.push(waiting);
        this.#await(subject, waiting);
      });
    } finally {
      offCancel();
      noteWait(call, 'limit', startedAt, this.#clock.now());
    }
  }

  /** Something has been given back. */
  poke(subject: string): void {
    this.pokes += 1;
    const first = this.#lines.get(subject)?.[0];
    if (first !== undefined) this.#ask(subject, first);
  }

  /** The first looks again when it would be let in, the others when their time is over. */
  #await(subject: string, waiting: Waiting): void {
    waiting.timer?.cancel();
    const isFirst = this.#lines.get(subject)?.[0] === waiting;
    const leftMs = Math.max(0, waiting.untilMs - this.#clock.now());
    waiting.timer = this.#clock.after(isFirst ? Math.min(leftMs, waiting.waitMs) : leftMs, () => this.#onDue(subject, waiting));
  }

  #onDue(subject: string, waiting: Waiting): void {
    const isFirst = this.#lines.get(subject)?.[0] === waiting;
    if (isFirst || this.#clock.now() >= waiting.untilMs) this.#ask(subject, waiting);
  }

  /** Whoever answers later is asked once at a time, and again where something has been given back meanwhile. */
  #ask(subject: string, waiting: Waiting): void {
    if (waiting.isAsking) {
      waiting.isPoked = true;
      return;
    }
    const taking = waiting.take();
    if (!(taking instanceof Promise)) return this.#told(subject, waiting, taking);
    waiting.timer?.cancel();
    waiting.isAsking = true;
    void taking.then((later) => {
      waiting.isAsking = false;
      this.#told(subject, waiting, later);
    });
  }

  #told(subject: string, waiting: Waiting, taking: Taking): void {
    if (waiting.hasLeft) {
      // It was cancelled while somebody thought about it.
      if (taking.kind === 'taken') taking.hold.settle(0, this.#clock.now());
      return this.poke(subject);
    }
    const leftMs = waiting.untilMs - this.#clock.now();
    // What will not be let in in time holds up those behind it for nothing.
    if (taking.kind !== 'refused' || leftMs <= 0 || isInVain(taking, leftMs)) {
      waiting.done(taking);
      this.#leave(subject, waiting);
      return;
    }
    waiting.waitMs = waiting.isPoked ? 0 : taking.waitMs;
    waiting.isPoked = false;
    this.#await(subject, waiting);
  }

  #leave(subject: string, waiting: Waiting): void {
    waiting.timer?.cancel();
    waiting.hasLeft = true;
    const line = this.#lines.get(subject);
    const at = line?.indexOf(waiting) ?? -1;
    if (line === undefined || at < 0) return;
    line.splice(at, 1);
    if (line.length === 0) this.#lines.delete(subject);
    else if (at === 0) this.#ask(subject, line[0]!);
  }
}
