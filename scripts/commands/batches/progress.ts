import type { BatchObject } from '../../../gateway/batches/batch-object.ts';

/** The rate is that of about this time. */
const WINDOW_MS = 60_000;
const MOST_SAMPLES = 120;

interface Sample {
  readonly at: number;
  readonly ended: number;
}

/** How fast a batch goes, and how long it will take, by what was seen of it. Times are in ms of a monotonic clock. */
export class Progress {
  readonly #samples: Sample[] = [];

  see({ request_counts: counts }: BatchObject, at: number): void {
    const ended = counts.completed + counts.failed;
    this.#samples.push({ at, ended });
    while (this.#samples.length > MOST_SAMPLES || (this.#samples.length > 2 && at - this.#samples[1]!.at >= WINDOW_MS))
      this.#samples.shift();
  }

  /** Lines a second; null: nothing has ended while it was looked at. */
  get rate(): number | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (!first || !last || last.at <= first.at || last.ended <= first.ended) return null;
    return ((last.ended - first.ended) * 1_000) / (last.at - first.at);
  }

  /** On one line. */
  text(batch: BatchObject): string {
    const { total, completed, failed } = batch.request_counts;
    const ended = completed + failed;
    if (batch.status === 'validating') return total === 0 ? 'validating' : `validating · ${total} lines`;
    const parts = [batch.status as string, `${ended} of ${total} lines${total === 0 ? '' : ` (${Math.floor((ended * 100) / total)} %)`}`];
    if (failed > 0) parts.push(`${failed} failed`);
    const { rate } = this;
    if (batch.status === 'in_progress' && rate !== null) {
      parts.push(`${rate < 10 ? rate.toFixed(1) : Math.round(rate)} lines/s`);
      parts.push(`about ${duration(Math.ceil((total - ended) / rate))} left`);
    }
    return parts.join(' · ');
  }
}

/** `45 s`, `12 min`, `3 h 20 min` */
export function duration(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 120) return `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
