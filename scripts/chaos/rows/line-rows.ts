import { setTimeout as delay } from 'node:timers/promises';
import type { LineFault } from '../faults/fault-proxy.ts';
import { GOES_ELSEWHERE, OK_ONCE_AWAY, okBut, OTHERS_OK, RETRIED } from '../law/proofs.ts';
import { untilLeftAlone } from './holding.ts';
import type { Row } from './row.ts';
import type { Stage } from './stage.ts';

type Told = readonly [name: string, line: LineFault, lateMs: number, fault: string, how: string, over: Pick<Row, 'holds'> & Partial<Row>];

const HOLD_MS = 2_500;
const EVERY_CALL = { holds: 'every call answered', allOk: true } as const;
/** Only time tells. */
const SILENT = {
  holds: 'while the worker is left alone, every call is answered by the other',
  proofs: [OK_ONCE_AWAY],
  hold: untilLeftAlone,
  setting: { everyMs: 20 },
} as const;

const TOLD: readonly Told[] = [
  ['blackhole', 'blackhole', 0, 'a line that swallows everything', 'a proxy that passes nothing on and keeps connections', SILENT],
  ['half-open', 'half-open', 0, 'half-open connections', 'a proxy that accepts, and never says a word', SILENT],
  [
    ...([
      'reset-new',
      'reset-new',
      0,
      'connections that are reset at once',
      'a proxy that resets all connections, then each new one',
    ] as const),
    {
      holds: 'every call answered but streams that were under way',
      proofs: [RETRIED],
      // What is reset before it has said anything is nobody's call yet; that calls met it the log tells.
      hold: async (stage) => {
        const before = stage.line.hits;
        await delay(HOLD_MS);
        stage.struck += stage.line.hits - before;
      },
      check: ({ stage, facts }) => okBut(stage.noted.momentsMs)(facts),
    },
  ],
  [
    ...(['cut', 'cut', 0, 'connections cut within answers', 'a proxy that resets after 300 bytes of answer'] as const),
    { holds: 'calls go to the other worker', proofs: [GOES_ELSEWHERE] },
  ],
  [
    ...(['corrupt', 'corrupt', 0, 'corrupt bytes', 'a proxy that flips a bit of every 61st byte of text, however it comes'] as const),
    { holds: 'what cannot be read goes to the other worker', proofs: [GOES_ELSEWHERE], terms: { isSpoilt: true } },
  ],
  ['slices', 'slices', 0, 'answers in single bytes', 'a proxy that writes them one by one', EVERY_CALL],
  [
    ...(['slow-line', 'slow', 0, 'a line of 160 B/s', 'a proxy that passes 16 bytes each 100 ms'] as const),
    { holds: 'calls on it end within their limits, all others are answered', proofs: [OTHERS_OK], holdMs: 4_000 },
  ],
  ['latency', 'late', 300, '300 ms more each way', 'a proxy that holds back each piece', EVERY_CALL],
];

/** Only new connections would notice. */
function cutAll({ line, noted }: Stage): void {
  line.cutAll();
  noted.momentsMs.push(performance.now());
}

/** Rows in which the line to a worker fails, and the worker does not. */
export const LINE_ROWS: readonly Row[] = TOLD.map(([name, fault, lateMs, title, how, over]): Row => ({
  name,
  fault: title,
  how,
  strike: (stage) => {
    stage.line.fail(fault, lateMs);
    if (fault === 'reset-new' || fault === 'half-open') cutAll(stage);
  },
  heal: ({ line }) => line.heal(),
  ...over,
}));
