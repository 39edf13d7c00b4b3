import type { Call } from '../../core/call.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import type { Taking } from './limiter.ts';

/** Calls of one key that wait for its limit; more are refused. */
const MOST_WAITING = 256;

interface Waiting {
  /** Tries again. */
  readonly take: () => Taking;
  /** Monotonic ms until which it may wait. */
  readonly untilMs: number;
  readonly done: (taking: Taking) => void;
  /** When it would be let in, as far as it has been told. */
  waitMs: number;
  timer: Timer | null;
}

/** Whether it would be let in only when its time is over. When a place comes free nobody can foretell. */
export function isInVain({ limit, waitMs }: Extract<Taking, { kind: 'refused' }>, patienceMs: number): boolean {
  return waitMs === Infinity || (limit !== 'concurrent' && waitMs > patienceMs);
}

/** Calls that wait until a limit lets them through, each key's in the order of their coming. */
export class LimitLines {
  readonly #clock: Clock;
  readonly #lines = new Map<string, Waiting[]>();

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
  async wait(subject: string, call: Call, waitMs: number, take: () => Taking, mostMs: number): Promise<Taking> {
    const line = this.#lines.get(subject) ?? [];
    if (line.length >= MOST_WAITING) return take();
    this.#lines.set(subject, line);
    const startedAt = this.#clock.now();
    call.journey.phase = 'queue';
    let offCancel = (): void => {};
    try {
      return await new Promise<Taking>((resolve, reject) => {
        const waiting: Waiting = { take, untilMs: startedAt + mostMs, done: resolve, waitMs, timer: null };
        offCancel = call.cancellation.onCancel((reason) => {
          this.#leave(subject, waiting);
          reject(reason);
        });
        line.push(waiting);
        this.#await(subject, waiting);
      });
    } finally {
      offCancel();
      call.journey.queueMs += this.#clock.now() - startedAt;
    }
  }

  /** Something has been given back. */
  poke(subject: string): void {
    const first = this.#lines.get(subject)?.[0];
    if (first !== undefined) this.#try(subject, first);
  }

  /** The first looks again when it would be let in, the others when their time is over. */
  #await(subject: string, waiting: Waiting): void {
    waiting.timer?.cancel();
    const isFirst = this.#lines.get(subject)?.[0] === waiting;
    const leftMs = Math.max(0, waiting.untilMs - this.#clock.now());
    waiting.timer = this.#clock.after(isFirst ? Math.min(leftMs, waiting.waitMs) : leftMs, () => this.#onDue(subject, waiting));
  }

  #onDue(subject: string, waiting: Waiting): void {
    if (this.#lines.get(subject)?.[0] === waiting && this.#try(subject, waiting)) return;
    if (this.#clock.now() < waiting.untilMs) return;
    this.#leave(subject, waiting);
    waiting.done(waiting.take());
  }

  /** @returns whether it has gone on */
  #try(subject: string, first: Waiting): boolean {
    const taking = first.take();
    // What will not be let in in time holds up those behind it for nothing.
    if (taking.kind === 'taken' || isInVain(taking, first.untilMs - this.#clock.now())) {
      first.done(taking);
      this.#leave(subject, first);
      return true;
    }
    first.waitMs = taking.waitMs;
    this.#await(subject, first);
    return false;
  }

  #leave(subject: string, waiting: Waiting): void {
    waiting.timer?.cancel();
    const line = this.#lines.get(subject);
    const at = line?.indexOf(waiting) ?? -1;
    if (line === undefined || at < 0) return;
    line.splice(at, 1);
    if (line.length === 0) this.#lines.delete(subject);
    else if (at === 0) this.#try(subject, line[0]!);
  }
}
