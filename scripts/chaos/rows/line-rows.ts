import type { LineFault } from '../faults/fault-proxy.ts';
import type { Row } from './row.ts';

type Told = readonly [name: string, line: LineFault, lateMs: number, fault: string, how: string, over?: Partial<Row>];

const TOLD: readonly Told[] = [
  ['blackhole', 'blackhole', 0, 'a line that swallows everything', 'a proxy that passes nothing on and keeps connections'],
  ['half-open', 'half-open', 0, 'half-open connections', 'a proxy that accepts, and never says a word'],
  ['reset-new', 'reset-new', 0, 'connections that are reset at once', 'a proxy that resets each new connection'],
  ['cut', 'cut', 0, 'connections cut within answers', 'a proxy that resets after 300 bytes of answer'],
  ['corrupt', 'corrupt', 0, 'corrupt bytes', 'a proxy that flips a bit of every 61st byte', { terms: { isSpoilt: true } }],
  ['slices', 'slices', 0, 'answers in single bytes', 'a proxy that writes them one by one', { allOk: true }],
  ['slow-line', 'slow', 0, 'a line of 160 B/s', 'a proxy that passes 16 bytes each 100 ms'],
  ['latency', 'late', 300, '300 ms more each way', 'a proxy that holds back each piece', { allOk: true }],
];

/** Rows in which the line to a worker fails, and the worker does not. */
export const LINE_ROWS: readonly Row[] = TOLD.map(([name, fault, lateMs, title, how, over]) => ({
  name,
  fault: title,
  how,
  holds: over?.allOk ? 'every call answered' : 'calls go to the other worker',
  strike: ({ line }) => {
    line.fail(fault, lateMs);
    // Only new connections would notice.
    if (fault === 'reset-new' || fault === 'half-open') line.cutAll();
  },
  heal: ({ line }) => line.heal(),
  ...over,
}));
