/**
 * How many operations of files may be under way in this process. Each takes a thread of Node's pool, of which there are four, and which look
 * up names of workers too: a disk that stands still must not have all of them.
 */
const AT_ONCE = 2;

/** Lets so many operations run, and the others one after the other. Whoever asks has one under way at most, so that the line is short. */
export class DiskTurns {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(atOnce = AT_ONCE) {
    this.#free = atOnce;
  }

  async run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await operation();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }
}
