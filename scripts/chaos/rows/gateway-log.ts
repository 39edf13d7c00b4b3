import type { LogLine } from '../gateway/gateway-process.ts';
import type { Span } from '../law/call-seen.ts';

/** A line of the log that tells of something else than the end of a call, and when it was written, in milliseconds by the clock of calls. */
export interface Told {
  readonly atMs: number;
  readonly line: LogLine;
}

const MOST_LINES = 20_000;
/** A clock of the log that is off by more was set. */
const SET_MS = 60_000;

/** What the log of a gateway tells while a row is played. */
export class GatewayLog {
  readonly lines: Told[] = [];
  /** Attempts of each call that has ended, where it told of any. */
  readonly attempts = new Map<string, number>();
  readonly internalErrors: string[] = [];
  /** By how much its clock was furthest ahead of ours, and furthest behind. */
  aheadMs = 0;
  behindMs = 0;
  /** When it, or a client's error, first said that something was wrong, after `listenFrom`. */
  toldMs: number | null = null;
  listenFrom = Infinity;

  hear(line: LogLine): void {
    const { event, level } = line;
    const offMs = Date.parse(String(line['time'])) - Date.now();
    this.aheadMs = Math.max(this.aheadMs, offMs);
    this.behindMs = Math.max(this.behindMs, -offMs);
    // Lines come in pieces, some of them late: what counts is when they were written.
    const atMs = Math.abs(offMs) > SET_MS ? performance.now() : Date.parse(String(line['time'])) - performance.timeOrigin;
    const attempts = Number(line['attempts'] ?? 1);
    if (event === 'request.end') this.attempts.set(String(line['request_id']), attempts);
    else if (this.lines.length < MOST_LINES) this.lines.push({ atMs, line });
    if (event === 'internal.error') this.internalErrors.push(JSON.stringify(line).slice(0, 400));
    const isTrouble = level === 'warn' || level === 'error' || event === 'breaker' || event === 'worker.state';
    if (isTrouble || (event === 'request.end' && attempts > 1)) this.told(atMs);
  }

  told(atMs = performance.now()): void {
    if (atMs >= this.listenFrom && atMs < (this.toldMs ?? Infinity)) this.toldMs = Math.min(atMs, performance.now());
  }

  /** Lines with this event since then. */
  since(fromMs: number, event: string): Told[] {
    return this.lines.filter(({ atMs, line }) => atMs >= fromMs && line['event'] === event);
  }

  /** When the gateway left this worker alone, but for tries: from when it was not ready, or its breaker opened, until neither was so. */
  leftAlone(worker: string, fromMs: number): Span[] {
    const spans: Span[] = [];
    let [isUnready, isOpen, since] = [false, false, Infinity];
    for (const { atMs, line } of this.lines) {
      if (atMs < fromMs || line['worker'] !== worker) continue;
      if (line['event'] === 'worker.state') isUnready = line['state'] !== 'ready';
      if (line['event'] === 'breaker') isOpen = line['to'] !== 'closed';
      const isAlone = isUnready || isOpen;
      if (isAlone) since = Math.min(since, atMs);
      else if (since !== Infinity) {
        spans.push([since, atMs]);
        since = Infinity;
      }
    }
    return since === Infinity ? spans : [...spans, [since, Infinity]];
  }

  /** When it let a call try whether this worker is well again. */
  tries(worker: string): number[] {
    return this.lines.filter(({ line }) => line['worker'] === worker && line['to'] === 'half_open').map(({ atMs }) => atMs);
  }
}
