import type { Clock } from '../core/clock.ts';
import type { SharedFinding } from './words.ts';

/** How much later than its own time each process tries a worker whose breaker is open: by then the one before has said that it does. */
const APART_MS = 50;

/** So long whoever comes later leaves a worker alone that another process tries. */
const TRIAL_MS = 1_000;

interface Known {
  readonly from: number;
  readonly at: number;
  readonly finding: SharedFinding;
}

/** What processes have found of workers, for those that have not, and for those that come later. */
export class SharedFindings {
  readonly #clock: Pick<Clock, 'now'>;
  /** Of workers that nobody has anything against there is none. */
  readonly #known = new Map<string, Known>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  note(from: number, worker: string, finding: SharedFinding): void {
    if (finding.state === 'closed') this.#known.delete(worker);
    else this.#known.set(worker, { from, at: this.#clock.now(), finding });
  }

  /** All of them, as the process in this place is to take them now. */
  of(index: number): (readonly [worker: string, finding: SharedFinding])[] {
    return [...this.#known].map(([worker, { at, finding }]) => [worker, this.#aged(asOpen(finding), at, index)] as const);
  }

  /** The same, of one that is just told. */
  asTold(finding: SharedFinding, index: number): SharedFinding {
    return this.#aged(finding, this.#clock.now(), index);
  }

  /** What a process had taken on itself to try, which is gone: others may try it now. */
  leftBy(process: number): (readonly [worker: string, finding: SharedFinding])[] {
    const left = [...this.#known].filter(([, { from, finding }]) => from === process && finding.state === 'half_open');
    return left.map(([worker, { finding }]) => [worker, { ...finding, state: 'open', leftMs: 0 }] as const);
  }

  #aged(finding: SharedFinding, at: number, index: number): SharedFinding {
    if (finding.state !== 'open') return finding;
    return { ...finding, leftMs: Math.max(0, finding.leftMs - (this.#clock.now() - at)) + (1 + index) * APART_MS };
  }
}

/** Who comes while another tries the worker has no breaker yet that could wait for that. */
function asOpen(finding: SharedFinding): SharedFinding {
  return finding.state === 'half_open' ? { ...finding, state: 'open', leftMs: TRIAL_MS } : finding;
}
