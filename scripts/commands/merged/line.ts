/** Where a line was found. `history`: what has happened, as gateway and supervisor take it down. */
export type Origin = 'engine' | 'log' | 'history';

/** One line of whatever has told something. */
export interface Line {
  /** Wall-clock milliseconds. Lines of engines are known to the second. */
  readonly atMs: number;
  /** Of a line without a stamp: it was printed between then and `atMs`. */
  readonly sinceMs?: number;
  /** `gateway`, `supervisor`, or the id of the worker whose engine has printed it. */
  readonly source: string;
  readonly origin: Origin;
  /** debug, info, warn or error; null where it has none. */
  readonly level: string | null;
  /** What an engine has printed, less its stamp. Of others: what `data` has as `msg`. */
  readonly text: string;
  /** The line as an object; null of an engine's. */
  readonly data: Readonly<Record<string, unknown>> | null;
}

/** Makes lines of the lines of one file, in their order. */
export interface Parser {
  /** @param latestMs when the file was written to last, in wall-clock milliseconds */
  parse(line: string, latestMs: number): Line[];
  /** What was held back, because nothing said yet when it was. */
  rest(latestMs: number): Line[];
}

/** The worker that a line is about; null where it is about none. */
export function workerOf({ origin, source, data }: Line): string | null {
  if (origin === 'engine') return source;
  const worker = data?.['worker'];
  return typeof worker === 'string' ? worker : null;
}
