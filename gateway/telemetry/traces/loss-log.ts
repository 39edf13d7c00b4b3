import type { Clock, Timer } from '../../core/clock.ts';
import type { Log } from '../../core/log/log.ts';
import type { LossReason } from './span-queue.ts';

const PAUSE_MS = 60_000;
const MOST_CHARS = 200;

const WHY: Readonly<Record<LossReason, string>> = {
  failed: 'it did not take them',
  queue_full: 'they came faster than it takes them',
  rejected: 'it refused them',
  shutdown: 'the gateway stopped before it had taken them',
};

/** Says that spans are lost when it begins, and then once a minute how many more. Requests are served as ever. */
export class LossLog {
  readonly #log: Pick<Log, 'warn'>;
  readonly #clock: Clock;
  readonly #collector: string;
  readonly #lost = new Map<LossReason, number>();
  #words = '';
  #pause: Timer | null = null;

  /** `collector`: its address, as it may be shown. */
  constructor(log: Pick<Log, 'warn'>, clock: Clock, collector: string) {
    this.#log = log;
    this.#clock = clock;
    this.#collector = collector;
  }

  lost(reason: LossReason, spans: number, words: string | null): void {
    this.#lost.set(reason, (this.#lost.get(reason) ?? 0) + spans);
    if (words !== null) this.#words = words.slice(0, MOST_CHARS);
    if (this.#pause === null) this.#tell();
  }

  /** Says what has not been said yet. */
  close(): void {
    this.#pause?.cancel();
    this.#pause = null;
    if (this.#lost.size > 0) this.#write();
  }

  #tell(): void {
    this.#write();
    this.#pause = this.#clock.after(PAUSE_MS, () => {
      this.#pause = null;
      if (this.#lost.size > 0) this.#tell();
    });
  }

  #write(): void {
    const parts = [...this.#lost].map(([reason, spans]) => `${spans} because ${WHY[reason]}`);
    const words = this.#words === '' ? '' : ` (${this.#words})`;
    const advice =
      'Requests are served as ever; look whether the collector runs and telemetry.otlp_endpoint and telemetry.headers are right.';
    this.#log.warn('traces.lost', `Spans did not reach the collector at ${this.#collector}: ${parts.join(', ')}${words}. ${advice}`);
    this.#lost.clear();
    this.#words = '';
  }
}
