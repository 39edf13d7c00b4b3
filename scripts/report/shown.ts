import { CLEAR_LINE, isLiveTerminal, terminalColumns } from './terminal.ts';

const AGAIN_MS = 500;
/** Where no line can be taken back (a file, a CI), a line is written this often instead. */
const PLAIN_MS = 15_000;

/** Keeps one line on standard error while something runs: on a terminal always the same one, elsewhere a new one now and then. */
export class Shown {
  readonly #text: () => string;
  readonly #timer: NodeJS.Timeout;
  readonly #isLive = isLiveTerminal(process.stderr);

  constructor(text: () => string) {
    this.#text = text;
    this.#timer = setInterval(() => this.#show(), this.#isLive ? AGAIN_MS : PLAIN_MS).unref();
  }

  /** Says something that stays, above the line. */
  say(line: string): void {
    process.stderr.write(`${this.#isLive ? CLEAR_LINE : ''}${line}\n`);
  }

  end(): void {
    clearInterval(this.#timer);
    if (this.#isLive) process.stderr.write(CLEAR_LINE);
  }

  #show(): void {
    const text = this.#text();
    if (!this.#isLive) return void process.stderr.write(`${text}\n`);
    const columns = terminalColumns(process.stderr);
    process.stderr.write(CLEAR_LINE + (text.length < columns ? text : `${text.slice(0, columns - 2)}…`));
  }
}
