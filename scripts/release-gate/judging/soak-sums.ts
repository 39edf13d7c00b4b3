import type { CallRecord, Outcome } from '../../load/calls/call-record.ts';
import type { Lateness } from '../../load/figures/lateness.ts';
import type { Slo } from '../../load/figures/slo.ts';
import { type Summary, summaryOf } from '../../load/figures/summary.ts';
import { e2eOf, heldOf, itlsOf, ownDelayOf, scheduleDelayOf, tpotOf, ttftOf } from '../../load/figures/times.ts';
import { Histogram } from './histogram.ts';

/** Single calls that a picture can show. */
const MOST_SHOWN = 4_000;

/** The two parts of a soak that are held against each other: its second quarter and its last. */
const EARLY = { from: 0.25, to: 0.5 } as const;
const LATE = { from: 0.75, to: Infinity } as const;

/** What the calls of a soak come to, without keeping them. */
export class SoakSums {
  /** Times to a first token of calls that were answered whole. */
  readonly early = new Histogram();
  readonly late = new Histogram();
  readonly #lengthMs: number;
  readonly #slo: Slo;
  readonly #times = {
    ttft: new Histogram(),
    tpot: new Histogram(),
    itl: new Histogram(),
    e2e: new Histogram(),
    queue: new Histogram(),
    scheduleDelay: new Histogram(),
    held: new Histogram(),
    ownDelay: new Histogram(),
  };
  readonly #counts = { calls: 0, ok: 0, errors: 0, inputTokens: 0, outputTokens: 0, cachedTokens: 0, good: 0 };
  readonly #outcomes: Partial<Record<Outcome, number>> = {};
  readonly #kinds = new Map<string, number>();
  #sample: CallRecord[] = [];
  #step = 1;

  /** `lengthMs`: of the whole schedule. */
  constructor(lengthMs: number, slo: Slo) {
    this.#lengthMs = lengthMs;
    this.#slo = slo;
  }

  /** Calls of a slice that began so long after the soak. */
  add(records: readonly CallRecord[], offsetMs: number): void {
    // Over one second a rate is a count.
    const part = summaryOf(records, 1000, this.#slo);
    for (const name of ['calls', 'ok', 'errors', 'inputTokens', 'outputTokens', 'cachedTokens'] as const) this.#counts[name] += part[name];
    this.#counts.good += part.goodput ?? 0;
    for (const [outcome, count] of Object.entries(part.outcomes) as [Outcome, number][])
      this.#outcomes[outcome] = (this.#outcomes[outcome] ?? 0) + count;
    for (const [kind, count] of part.errorKinds) this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + count);
    for (const record of records) this.#time(record, offsetMs);
    this.#show(records, offsetMs);
  }

  /** `durationMs`: until the last answer. */
  summary(durationMs: number): Summary {
    const { good, ...counts } = this.#counts;
    const seconds = durationMs / 1000;
    const times = Object.entries(this.#times).map(([name, of]) => [name, of.distribution()] as const);
    return {
      ...counts,
      outcomes: { ...this.#outcomes },
      errorKinds: [...this.#kinds].toSorted(([, a], [, b]) => b - a),
      durationMs,
      requestRate: counts.ok / seconds,
      outputTokenRate: counts.outputTokens / seconds,
      totalTokenRate: (counts.inputTokens + counts.outputTokens) / seconds,
      goodput: Object.keys(this.#slo).length === 0 ? null : good / seconds,
      ...(Object.fromEntries(times) as Pick<Summary, 'ttft' | 'tpot' | 'itl' | 'e2e' | 'queue' | keyof Lateness>),
    };
  }

  /** Some of the calls, evenly, with their times from the beginning of the soak. */
  get sample(): readonly CallRecord[] {
    return this.#sample;
  }

  #time(record: CallRecord, offsetMs: number): void {
    this.#times.scheduleDelay.add(scheduleDelayOf(record));
    this.#times.held.add(heldOf(record));
    this.#times.ownDelay.add(ownDelayOf(record));
    if (record.outcome !== 'ok') return;
    const ttft = ttftOf(record);
    this.#times.ttft.add(ttft);
    this.#times.tpot.add(tpotOf(record));
    this.#times.e2e.add(e2eOf(record));
    this.#times.queue.add(record.queueMs);
    for (const gap of itlsOf(record)) this.#times.itl.add(gap);
    const share = (record.scheduledMs + offsetMs) / this.#lengthMs;
    if (share >= EARLY.from && share < EARLY.to) this.early.add(ttft);
    if (share >= LATE.from) this.late.add(ttft);
  }

  #show(records: readonly CallRecord[], offsetMs: number): void {
    for (const record of records) {
      if (record.index % this.#step !== 0) continue;
      const { scheduledMs, sentMs, firstTokenMs, lastTokenMs, headMs, endMs } = record;
      const moved = Object.entries({ scheduledMs, sentMs, firstTokenMs, lastTokenMs, headMs, endMs }).map(([name, ms]) => [
        name,
        ms + offsetMs,
      ]);
      this.#sample.push({ ...record, ...(Object.fromEntries(moved) as Partial<CallRecord>), tokensAt: [] });
      if (this.#sample.length <= MOST_SHOWN) continue;
      this.#step *= 2;
      this.#sample = this.#sample.filter(({ index }) => index % this.#step === 0);
    }
  }
}
