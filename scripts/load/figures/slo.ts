import type { CallRecord } from '../calls/call-record.ts';
import { e2eOf, itlMeanOf, tpotOf, ttftOf } from './times.ts';

/** What a call must meet to count as good, in milliseconds; what is not named is not asked for. */
export interface Slo {
  readonly ttft?: number;
  readonly tpot?: number;
  readonly itl?: number;
  readonly e2e?: number;
}

const OF: Readonly<Record<keyof Slo, (record: CallRecord) => number>> = { ttft: ttftOf, tpot: tpotOf, itl: itlMeanOf, e2e: e2eOf };

/** Reads `ttft:500 tpot:50 e2e:5000`, parts divided by blanks or commas; `e2el` is vLLM's name for `e2e`. @returns what is wrong, as a text */
export function readSlo(text: string): Slo | string {
  const slo: { -readonly [name in keyof Slo]: number } = {};
  for (const part of text.split(/[\s,]+/).filter((word) => word !== '')) {
    const [, written = '', value] = /^(\w+):(\d+(?:\.\d+)?)$/.exec(part) ?? [];
    const name = written === 'e2el' ? 'e2e' : written;
    if (!Object.hasOwn(OF, name)) return `${part} is no objective; write for instance ttft:500 tpot:50 e2e:5000, in milliseconds`;
    slo[name as keyof Slo] = Number(value);
  }
  return slo;
}

/** A call is good when it was answered whole and kept to each of them. A time that it does not have (a call without a stream has no first token) is not asked of it. */
export function isGood(record: CallRecord, slo: Slo): boolean {
  if (record.outcome !== 'ok') return false;
  return Object.entries(slo).every(([name, most]) => {
    const value = OF[name as keyof Slo](record);
    return Number.isNaN(value) || value <= most;
  });
}
