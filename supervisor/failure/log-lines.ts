/** One line of the engine's output, as a person would read it. */
export interface LogLine {
  /** Without colors and without the process prefix. */
  readonly text: string;
  /** vLLM's name for the process that wrote it ("APIServer", "EngineCore", "Worker_TP0"); null where there was no prefix. */
  readonly process: string | null;
}

/** A longer line is cut: it is data that got into the log, and nobody reads it. */
const MAX_LINE_CHARS = 4000;
/** Colors and a prefix come on top. */
const MAX_RAW_BYTES = MAX_LINE_CHARS * 2;

// Colors and cursor movements (CSI), and titles and links (OSC).
// eslint-disable-next-line no-control-regex
const ANSI = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\))/g;
const PREFIX = /^\(([A-Za-z][\w.-]*) pid=\d+\) /;

const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/**
 * Splits what a process writes into lines. Progress bars rewrite their line with \r: each rewriting is a line of its own.
 * It works on bytes and makes a string of each line by itself: a piece of a larger string would keep all of that in memory.
 */
export class LineSplitter {
  #rest: Buffer = Buffer.alloc(0);

  /** Lines that `chunk` completes. Empty lines are left out. `chunk` may be used for something else afterwards. */
  push(chunk: Buffer | string): LogLine[] {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    const lines: LogLine[] = [];
    let from = 0;
    for (let end = nextEnd(bytes, 0); end !== -1; end = nextEnd(bytes, from)) {
      const line = this.#rest.length > 0 ? this.#take(bytes.subarray(from, end)) : bytes.subarray(from, end);
      if (line.length > 0) lines.push(...toLine(line));
      from = end + 1;
    }
    // Of an unfinished line only the beginning is kept, so that output without any line end costs no memory.
    if (from < bytes.length && this.#rest.length < MAX_RAW_BYTES)
      this.#rest = Buffer.concat([this.#rest, bytes.subarray(from)]).subarray(0, MAX_RAW_BYTES);
    return lines;
  }

  /** What is left when the output has ended. */
  flush(): LogLine[] {
    return toLine(this.#take(Buffer.alloc(0)));
  }

  #take(end: Buffer): Buffer {
    const whole = Buffer.concat([this.#rest, end]);
    this.#rest = Buffer.alloc(0);
    return whole;
  }
}

function nextEnd(bytes: Buffer, from: number): number {
  const feed = bytes.indexOf(LINE_FEED, from);
  const limit = feed === -1 ? bytes.length : feed;
  // Only as far as the line reaches: most logs hold no such byte at all.
  const back = bytes.subarray(from, limit).indexOf(CARRIAGE_RETURN);
  return back === -1 ? feed : from + back;
}

function toLine(bytes: Buffer): LogLine[] {
  const raw = bytes.toString('utf8', 0, Math.min(bytes.length, MAX_RAW_BYTES));
  const plain = raw.replace(ANSI, '').trimEnd();
  const prefix = PREFIX.exec(plain);
  const text = (prefix ? plain.slice(prefix[0].length) : plain).slice(0, MAX_LINE_CHARS);
  return text.trim() === '' ? [] : [{ text, process: prefix?.[1] ?? null }];
}
