import { ANSWER_ROWS } from './answer-rows.ts';
import { CLIENT_ROWS } from './client-rows.ts';
import { ENGINE_ROWS } from './engine-rows.ts';
import { GATEWAY_ROWS } from './gateway-rows.ts';
import { LINE_ROWS } from './line-rows.ts';
import { LISTED_ROWS } from './listed-rows.ts';
import type { Row } from './row.ts';
import { STATE_ROWS } from './state-rows.ts';
import { WORKER_ROWS } from './worker-rows.ts';

/** The whole table, in its order. */
export const ALL_ROWS: readonly Row[] = [
  ...ANSWER_ROWS,
  ...LINE_ROWS,
  ...WORKER_ROWS,
  ...LISTED_ROWS,
  ...ENGINE_ROWS,
  ...CLIENT_ROWS,
  ...GATEWAY_ROWS,
  ...STATE_ROWS,
];

/** One of each kind, for a look of half a minute. */
export const QUICK_ROWS: readonly string[] = [
  ...['reset', 'eof-midway', 'stall', 'busy-503', 'html', 'twice', 'half-open', 'kill-worker', 'all-down'],
  ...['abort-storm', 'burst', 'reload-storm', 'kill-gateway'],
];
