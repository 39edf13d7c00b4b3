import type { WayName } from '../faults/ways.ts';
import type { Row } from './row.ts';

type Told = readonly [name: string, way: WayName, fault: string, how: string, over?: Partial<Row>];

const ONE_WORKER = 'the first of two workers, each request that it takes:';

const TOLD: readonly Told[] = [
  ['reset', 'reset', 'reset before headers', 'RST', {}],
  ['eof', 'end', 'end before the first byte', 'FIN'],
  ['half-head', 'half-head', 'end within the headers', 'half a header, FIN'],
  ['head-only', 'head-only', 'end after the headers', 'headers, FIN'],
  ['eof-midway', 'end-midway', 'end in the middle', 'half of the answer, FIN'],
  ['reset-midway', 'reset-midway', 'reset in the middle', 'half of the answer, RST'],
  ['no-done', 'no-done', 'a stream without its end', 'half of a stream, orderly end without [DONE]'],
  ['stall', 'silence', 'stall before headers', 'never an answer'],
  ['stall-midway', 'silence-midway', 'stall in the middle', 'half of the answer, then nothing'],
  ['hang', 'silence', 'GPU hang', 'health and metrics answer, no token comes', { setting: { settings: { retry: { max_attempts: 1 } } } }],
  ['error-midway', 'error-midway', 'an error event within a stream', "half of a stream, the engine's error event, [DONE]"],
  ['abort-midway', 'abort-midway', 'an answer that the engine aborts', 'half of a stream, finish_reason abort, [DONE]'],
  ['500', 'status-500', '500', '500 as plain text'],
  ['busy-503', 'status-503', '503 busy', '503 in OpenAI’s shape'],
  ['busy-429', 'status-429', '429', '429 with Retry-After'],
  ['401', 'status-401', 'a worker that asks for another key', '401'],
  ['redirect', 'redirect', 'a redirect', '302 elsewhere'],
  ['html', 'html', 'HTML with status 200', 'a page instead of an answer'],
  ['empty', 'empty', 'an empty body with status 200', 'content-length 0'],
  ['half-json', 'half-json', 'truncated JSON', 'JSON that breaks off, orderly end'],
  ['oversized-line', 'oversized-line', 'an oversized line in a stream', 'half of a stream, then one line of 12 MB'],
  ['drip', 'drip', 'a slow drip', 'one byte a second'],
  ['huge-header', 'huge-header', 'a huge header', 'a header of 200 kB'],
  ['two-lengths', 'two-lengths', 'two content-lengths', 'two headers that differ'],
  ['bad-chunk', 'bad-chunk', 'a chunk that is none', 'a chunk size of zz'],
  ['no-http', 'no-http', 'no HTTP at all', 'the greeting of an SSH server'],
  ['endless-hints', 'early-hints', 'informational answers without end', '20,000 times 102, then nothing'],
  ['packed', 'packed', 'an answer that nobody can unpack', 'content-encoding gzip, ten bytes of it'],
  ['twice', 'twice', 'every answer twice', 'the answer, and another that nobody asked for'],
  ['bad-bytes', 'other-words', 'bytes that are no text', 'half of a stream, then bytes that are no UTF-8'],
];

/** Rows in which a worker takes a request and answers it badly. */
export const ANSWER_ROWS: readonly Row[] = TOLD.map(([name, way, fault, how, over]) => ({
  name,
  fault,
  how: `${ONE_WORKER} ${how}`,
  holds: 'calls go to the other worker',
  strike: ({ a }) => a.behave(way),
  heal: ({ a }) => a.heal(),
  ...over,
}));
