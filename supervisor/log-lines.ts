/** One line of the engine's output, as a person would read it. */
export interface LogLine {
  /** Without colors and without the process prefix. */
  readonly text: string;
  /** vLLM's name for the process that wrote it ("APIServer", "EngineCore", "Worker_TP0"); null where there was no prefix. */
  readonly process: string | null;
}

/** A longer line is cut: it is data that got into the log, and nobody reads it. */
const MAX_LINE_CHARS = 4000;

// Colors and cursor movements (CSI), and titles and links (OSC).
// eslint-disable-next-line no-control-regex
const ANSI = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\))/g;
const PREFIX = /^\(([A-Za-z][\w.-]*) pid=\d+\) /;

/** Splits what a process writes into lines. Progress bars rewrite their line with \r: each rewriting is a line of its own. */
export class LineSplitter {
  #rest = '';

  /** Lines that `chunk` completes. Empty lines are left out. */
  push(chunk: string): LogLine[] {
    const parts = (this.#rest + chunk).split(/[\r\n]+/);
    // Of an unfinished line only the beginning is kept, so that output without any line end costs no memory.
    this.#rest = (parts.pop() ?? '').slice(0, MAX_LINE_CHARS * 2);
    return parts.flatMap(toLine);
  }

  /** What is left when the output has ended. */
  flush(): LogLine[] {
    const rest = this.#rest;
    this.#rest = '';
    return toLine(rest);
  }
}

function toLine(raw: string): LogLine[] {
  const plain = raw
    .slice(0, MAX_LINE_CHARS * 2)
    .replace(ANSI, '')
    .trimEnd();
  const prefix = PREFIX.exec(plain);
  const text = (prefix ? plain.slice(prefix[0].length) : plain).slice(0, MAX_LINE_CHARS);
  return text.trim() === '' ? [] : [{ text: ownCopy(text), process: prefix ? ownCopy(prefix[1] ?? '') : null }];
}

/** A part of a string keeps the whole of it, here a quarter of a megabyte, in memory; a copy does not. */
export function ownCopy(text: string): string {
  return Buffer.from(text, 'utf8').toString('utf8');
}
