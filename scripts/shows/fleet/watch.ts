import { setTimeout as delay } from 'node:timers/promises';

const LOOK_MS = 50;

interface Sample {
  /** ms */
  readonly at: number;
  /** Running and waiting, as the engine counts them. */
  readonly calls: number;
}

/** What was seen of the engines in a stretch of time. */
export interface Sight {
  /** The most calls that one of them had. */
  readonly most: number;
  /** The longest time for which one of them had more than so many. ms */
  readonly overMs: number;
  /** On average, of all of them. */
  readonly mean: number;
  readonly looks: number;
}

/** Looks at engines, twenty times a second each, past every gateway. */
export class Watch {
  readonly #samples: Sample[][];
  #isOver = false;

  constructor(urls: readonly string[]) {
    this.#samples = urls.map(() => []);
    urls.forEach((url, i) => void this.#follow(url, this.#samples[i]!));
  }

  /** Calls that all engines together have now. */
  get now(): number {
    return this.#samples.reduce((sum, samples) => sum + (samples.at(-1)?.calls ?? 0), 0);
  }

  /** @param bound more calls than these at one engine are too many @param from since then, as performance.now() has it */
  since(from: number, bound: number): Sight {
    const seen = this.#samples.map((samples) => samples.filter(({ at }) => at >= from));
    const all = seen.flat().map(({ calls }) => calls);
    return {
      most: Math.max(0, ...all),
      overMs: Math.max(0, ...seen.map((samples) => longestOver(samples, bound))),
      mean: seen.reduce((sum, samples) => sum + samples.reduce((calls, each) => calls + each.calls, 0) / Math.max(1, samples.length), 0),
      looks: all.length,
    };
  }

  close(): void {
    this.#isOver = true;
  }

  async #follow(url: string, samples: Sample[]): Promise<void> {
    while (!this.#isOver) {
      const next = performance.now() + LOOK_MS;
      const page = await fetch(`${url}/metrics`).then(
        (answer) => answer.text(),
        () => null,
      );
      if (page !== null) samples.push({ at: performance.now(), calls: gauge(page, 'running') + gauge(page, 'waiting') });
      await delay(Math.max(0, next - performance.now()));
    }
  }
}

function gauge(page: string, name: string): number {
  return Number(new RegExp(`^vllm:num_requests_${name}\\b.* ([\\d.]+)$`, 'm').exec(page)?.[1] ?? Number.NaN);
}

/** From the first look that found too many to the next that did not. */
function longestOver(samples: readonly Sample[], bound: number): number {
  let since: number | null = null;
  let longest = 0;
  for (const { at, calls } of samples) {
    if (calls > bound || since !== null) longest = Math.max(longest, at - (since ?? at));
    since = calls > bound ? (since ?? at) : null;
  }
  return longest;
}
