/** A pending callback. Cancelling it twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void;
}

/** Time comes in here, so that every policy can be tested without waiting. */
export interface Clock {
  /** Monotonic milliseconds, with fractions. Only differences mean anything. */
  now(): number;
  /** Milliseconds since the epoch, for people and logs. */
  wall(): number;
  /** Runs `fn` once after `ms` milliseconds. The timer does not keep the process alive. */
  after(ms: number, fn: () => void): Timer;
}

class SystemTimer implements Timer {
  readonly #handle: NodeJS.Timeout;
  constructor(ms: number, fn: () => void) {
    this.#handle = setTimeout(fn, ms).unref();
  }
  cancel(): void {
    clearTimeout(this.#handle);
  }
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wall: () => Date.now(),
  after: (ms, fn) => new SystemTimer(ms, fn),
};

/** A timer that is so late says that this process, or its machine, has stood still. */
const STOOD_STILL_MS = 100;
const MOST_FORGIVEN_MS = 5_000;
const MOST_TIMES = 3;

/** For limits of others: the time for which this process stood still is not theirs, and what came meanwhile is yet to be read. */
export class StoodStill {
  #times = 0;

  /** A timer has fired that was due at `dueAt`. @returns for how much longer to wait before anybody is judged; 0: not at all. Milliseconds */
  extraMs(dueAt: number, now: number): number {
    const lateMs = now - dueAt;
    if (lateMs < STOOD_STILL_MS || this.#times >= MOST_TIMES) return 0;
    this.#times += 1;
    return Math.min(lateMs, MOST_FORGIVEN_MS);
  }
}

/** Runs `fn` again and again, `ms` milliseconds after the previous run has finished. */
export function repeat(clock: Clock, ms: number | (() => number), fn: () => void | Promise<void>): Timer {
  const pause = typeof ms === 'number' ? () => ms : ms;
  let stopped = false;
  let timer = clock.after(pause(), run);
  async function run(): Promise<void> {
    await fn();
    if (!stopped) timer = clock.after(pause(), run);
  }
  return {
    cancel() {
      stopped = true;
      timer.cancel();
    },
  };
}

/** Resolves after `ms` milliseconds. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(ms, resolve);
  });
}

/** Keeps the process alive until it is cancelled: the timers of `systemClock` alone do not. */
export function stayAlive(): Timer {
  const handle = setInterval(() => {}, 2 ** 30);
  return { cancel: () => clearInterval(handle) };
}
