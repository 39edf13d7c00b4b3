import type { WayName } from '../faults/ways.ts';
import {
  firstElsewhere,
  GOES_ELSEWHERE,
  leftAloneFor,
  OK_ONCE_AWAY,
  OTHERS_OK,
  STAYS,
  STRUCK_BODIES_OK,
  STRUCK_STREAMS_BROKEN,
  STRUCK_STREAMS_OK,
  STRUCK_WHOLE_OR_BROKEN,
} from '../law/proofs.ts';
import { untilLeftAlone } from './holding.ts';
import type { Row } from './row.ts';

type Told = readonly [name: string, way: WayName, fault: string, how: string];
type Promised = Pick<Row, 'holds'> & Partial<Row>;

const ONE_WORKER = 'the first of two workers, each request that it takes:';

/** The worker never had the call, or lost it: to ask the other costs no account. */
const FREE: Promised = { holds: 'every call answered, by the other worker', proofs: [GOES_ELSEWHERE], allOk: true };
const MIDWAY: Promised = {
  holds: 'whole answers come from the other worker, streams break with an error event',
  proofs: [STRUCK_STREAMS_BROKEN, STRUCK_BODIES_OK, GOES_ELSEWHERE, OTHERS_OK],
};
const TOLD_MIDWAY: Promised = {
  holds: 'streams break with an error event, other calls go to the other worker',
  proofs: [STRUCK_STREAMS_BROKEN, GOES_ELSEWHERE, OTHERS_OK],
};
/** Only time tells. */
const SILENT: Promised = {
  holds: 'while the worker is left alone, every call is answered by the other',
  proofs: [OK_ONCE_AWAY],
  hold: untilLeftAlone,
  setting: { everyMs: 20 },
};
/** The worker answers badly: to ask another costs the account for retries. */
function bad(status: number): Promised {
  return {
    holds: `calls go to the other worker while the account for retries lasts, then they are told ${status}`,
    proofs: [firstElsewhere(status)],
  };
}

const TOLD: readonly (readonly [Promised, ...(readonly Told[])])[] = [
  [
    FREE,
    ['reset', 'reset', 'reset before headers', 'RST'],
    ['eof', 'end', 'end before the first byte', 'FIN'],
    ['half-head', 'half-head', 'end within the headers', 'half a header, FIN'],
  ],
  [
    {
      holds: 'every stream answered, by the other worker; who asked for none is told 502 at worst',
      proofs: [STRUCK_STREAMS_OK, GOES_ELSEWHERE, OTHERS_OK],
      // A comment would be an answer that has begun.
      setting: { settings: { stream: { keep_alive_ms: 10_000 } } },
    },
    ['head-only', 'head-only', 'end after the headers', 'headers of a stream, FIN'],
  ],
  [
    MIDWAY,
    ['eof-midway', 'end-midway', 'end in the middle', 'half of the answer, FIN'],
    ['reset-midway', 'reset-midway', 'reset in the middle', 'half of the answer, RST'],
    ['no-done', 'no-done', 'a stream without its end', 'half of a stream, orderly end without [DONE]; of other answers half, FIN'],
  ],
  [
    SILENT,
    ['stall', 'silence', 'stall before headers', 'never an answer'],
    ['stall-midway', 'silence-midway', 'stall in the middle', 'half of the answer, then nothing'],
  ],
  [
    { ...SILENT, setting: { everyMs: 20, settings: { retry: { max_attempts: 1 } } } },
    ['hang', 'silence', 'GPU hang', 'health and metrics answer, no token comes; nothing is tried twice'],
  ],
  [
    TOLD_MIDWAY,
    [
      'error-midway',
      'error-midway',
      'an error event within a stream',
      "half of a stream, the engine's error event, [DONE]; 500 to who asked for none",
    ],
    [
      'abort-midway',
      'abort-midway',
      'an answer that the engine aborts',
      'half of a stream, finish_reason abort, [DONE]; 500 to who asked for none',
    ],
  ],
  [bad(502), ['500', 'status-500', '500', '500 as plain text']],
  [bad(503), ['busy-503', 'status-503', '503 busy', '503 in OpenAI’s shape']],
  [
    {
      holds: 'every call answered; the worker is left alone for the second that it asks for',
      proofs: [leftAloneFor(900), GOES_ELSEWHERE],
      allOk: true,
    },
    ['busy-429', 'status-429', '429', '429 with Retry-After of a second'],
  ],
  [
    bad(502),
    ['401', 'status-401', 'a worker that asks for another key', '401'],
    ['redirect', 'redirect', 'a redirect', '302 elsewhere'],
    ['html', 'html', 'HTML with status 200', 'a page instead of an answer'],
    ['empty', 'empty', 'an empty body with status 200', 'content-length 0'],
    ['half-json', 'half-json', 'truncated JSON', 'JSON that breaks off, orderly end'],
  ],
  [
    {
      holds: 'each stream comes whole or breaks with an error event, no other call is held up',
      proofs: [STRUCK_WHOLE_OR_BROKEN, OTHERS_OK],
      setting: { everyMs: 200 },
      alone: true,
    },
    ['oversized-line', 'oversized-line', 'an oversized line in a stream', 'half of a stream, then one line of 12 MB'],
  ],
  [
    {
      holds: 'a worker that creeps is not silent: its calls stay, until their time is over; all others are answered',
      proofs: [STAYS, OTHERS_OK],
    },
    ['drip', 'drip', 'a slow drip', 'one byte a second'],
  ],
  [
    bad(502),
    ['huge-header', 'huge-header', 'a huge header', 'a header of 200 kB'],
    ['two-lengths', 'two-lengths', 'two content-lengths', 'two headers that differ'],
    ['bad-chunk', 'bad-chunk', 'a chunk that is none', 'a chunk size of zz'],
    ['no-http', 'no-http', 'no HTTP at all', 'the greeting of an SSH server'],
  ],
  [SILENT, ['endless-hints', 'endless-hints', 'informational answers without end', '20,000 times 102, then nothing']],
  [bad(502), ['packed', 'packed', 'an answer that nobody can unpack', 'content-encoding gzip, ten bytes of it']],
  [
    { holds: 'every call answered, once', allOk: true },
    ['twice', 'twice', 'every answer twice', 'the answer, and another that nobody asked for'],
  ],
  [
    TOLD_MIDWAY,
    ['bad-bytes', 'bad-bytes', 'bytes that are no text', 'half of a stream, then bytes that are no UTF-8, FIN; 500 to who asked for none'],
  ],
];

/** Rows in which a worker takes a request and answers it badly. */
export const ANSWER_ROWS: readonly Row[] = TOLD.flatMap(([promised, ...rows]) =>
  rows.map(([name, way, fault, how]): Row => ({
    ...{ name, fault, how: `${ONE_WORKER} ${how}` },
    strike: ({ a }) => a.behave(way),
    heal: ({ a }) => a.heal(),
    ...promised,
  })),
);
