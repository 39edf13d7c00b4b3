import { repeat, type Clock, type Timer } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';

const LOOK_MS = 100;
/** So late again and again, the event loop has more to do than it can: what runs is slowed down by every call that is let in. */
const LATE_MS = 250;
const IN_TIME_MS = 100;
/** Looks in a row: a single stop (a large body, a collection of garbage) is none. */
const LOOKS = 3;

/** Late for the sake of others on the machine: fewer calls than this are not what keeps the loop, nor is one that uses less of a core. */
const MANY_CALLS = 64;
const BUSY_SHARE = 0.6;

/** What the process itself has to do. */
export interface OwnWork {
  /** CPU time that the event loop's thread has used so far, in ms. */
  cpuMs(): number;
  /** Calls under way. */
  calls(): number;
}

/** Hears when calls begin to be refused, with how late the loop is, and when that is over, with how many were. */
export interface OverloadListener {
  onBegin(lateMs: number): void;
  onEnd(refused: number): void;
}

/**
 * Refuses new calls while the event loop is late with work of its own, so that those that run, and probes, are served. Where other programs
 * keep it from running, refusing a few calls would help nobody.
 */
export class Overload {
  readonly #timer: Timer;
  readonly #listener: OverloadListener;
  #sheds = false;
  #lateLooks = 0;
  #refused = 0;

  constructor(clock: Clock, listener: OverloadListener, work: OwnWork) {
    this.#listener = listener;
    let lookedAt = clock.now();
    let cpuMs = work.cpuMs();
    this.#timer = repeat(clock, LOOK_MS, () => {
      const elapsedMs = clock.now() - lookedAt;
      const usedMs = work.cpuMs() - cpuMs;
      lookedAt += elapsedMs;
      cpuMs += usedMs;
      this.#look(elapsedMs - LOOK_MS, usedMs >= elapsedMs * BUSY_SHARE || work.calls() >= MANY_CALLS);
    });
  }

  /** @throws queue_full while the loop is late */
  check(): void {
    if (!this.#sheds) return;
    this.#refused++;
    throw new GatewayError('queue_full', 'The gateway has more to do than it can. Retry shortly.', { retryAfterMs: 2_000 });
  }

  close(): void {
    this.#timer.cancel();
  }

  #look(lateMs: number, isOurs: boolean): void {
    this.#lateLooks = lateMs >= LATE_MS && isOurs ? this.#lateLooks + 1 : 0;
    if (!this.#sheds && this.#lateLooks >= LOOKS) {
      this.#sheds = true;
      this.#refused = 0;
      this.#listener.onBegin(lateMs);
    } else if (this.#sheds && lateMs < IN_TIME_MS) {
      this.#sheds = false;
      this.#listener.onEnd(this.#refused);
    }
  }
}

/** @param calls how many are under way */
export function ofThisThread(calls: () => number): OwnWork {
  return {
    calls,
    cpuMs() {
      const { user, system } = process.threadCpuUsage();
      return (user + system) / 1000;
    },
  };
}
