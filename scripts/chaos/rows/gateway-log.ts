import type { LogLine } from '../gateway/gateway-process.ts';

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

  /** When the gateway began to leave this worker alone: it was not ready, or its breaker opened. null: it has not since then. */
  leftAlone(worker: string, fromMs: number): number | null {
    const left = this.lines.find(({ atMs, line }) => {
      if (atMs < fromMs || line['worker'] !== worker) return false;
      const isUnready = line['event'] === 'worker.state' && line['state'] !== 'ready';
      return isUnready || (line['event'] === 'breaker' && line['to'] === 'open');
    });
    return left?.atMs ?? null;
  }

  /** When it let a call try whether this worker is well again. */
  tries(worker: string): number[] {
    return this.lines.filter(({ line }) => line['worker'] === worker && line['to'] === 'half_open').map(({ atMs }) => atMs);
  }
}
