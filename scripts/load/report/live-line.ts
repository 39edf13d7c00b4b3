import { shown, shownMs, shownSpan } from '../../report/numbers.ts';
import { type CallRecord, isError } from '../calls/call-record.ts';
import { percentile } from '../figures/distribution.ts';
import { ttftOf } from '../figures/times.ts';

/** The last so many first tokens are what the line speaks of. */
const RECENT = 200;

/** What a terminal is shown while a load runs. */
export class LiveLine {
  readonly #calls: number;
  readonly #lengthMs: number;
  readonly #recent: number[] = [];
  #ended = 0;
  #errors = 0;
  #underWay = 0;

  /** `calls`: in all, or null where only time ends it; `lengthMs`: of the schedule. */
  constructor(calls: number | null, lengthMs: number) {
    this.#calls = calls ?? NaN;
    this.#lengthMs = lengthMs;
  }

  note(record: CallRecord, underWay: number): void {
    this.#ended += 1;
    if (isError(record)) this.#errors += 1;
    this.#underWay = underWay;
    const ttft = ttftOf(record);
    if (Number.isNaN(ttft)) return;
    this.#recent.push(ttft);
    if (this.#recent.length > RECENT) this.#recent.shift();
  }

  /** `elapsedMs`: since the start. */
  text(elapsedMs: number): string {
    const byCalls = this.#ended / this.#calls;
    const done = Math.min(1, Number.isNaN(byCalls) || Number.isFinite(this.#lengthMs) ? elapsedMs / this.#lengthMs : byCalls);
    const left = done > 0.02 ? ` · ${shownSpan((elapsedMs / done) * (1 - done))} left` : '';
    const sorted = this.#recent.toSorted((a, b) => a - b);
    const ttft = sorted.length === 0 ? '' : ` · TTFT p50 ${shownMs(percentile(sorted, 0.5))} p95 ${shownMs(percentile(sorted, 0.95))}`;
    const calls = Number.isNaN(this.#calls) ? shown(this.#ended) : `${shown(this.#ended)}/${shown(this.#calls)}`;
    return `${Math.round(done * 100)} % · ${calls} calls · ${this.#underWay} under way · ${this.#errors} errors${ttft}${left}`;
  }
}
