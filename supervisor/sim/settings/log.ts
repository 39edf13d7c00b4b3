import { setImmediate as soon } from 'node:timers';

/** The two processes whose lines vLLM's log holds. */
type LogSource = 'APIServer' | 'EngineCore';

function stamp(): string {
  const now = new Date();
  const two = (value: number): string => String(value).padStart(2, '0');
  return `${two(now.getMonth() + 1)}-${two(now.getDate())} ${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`;
}

/** Where the two parts of a log go. */
interface LogStreams {
  stdout(text: string): void;
  stderr(text: string): void;
}

const OF_THIS_PROCESS: LogStreams = {
  stdout: (text) => void process.stdout.write(text),
  stderr: (text) => void process.stderr.write(text),
};

/**
 * Writes lines as vLLM 0.32 does: log and access lines on stdout, uvicorn's own and tracebacks on stderr. Each has the name of its process
 * before it, but for uvicorn's.
 */
export class Log {
  enginePid = process.pid;
  readonly #streams: LogStreams;
  #waiting = '';

  constructor(streams = OF_THIS_PROCESS) {
    this.#streams = streams;
  }

  #prefix(source: LogSource): string {
    return `(${source} pid=${source === 'APIServer' ? process.pid : this.enginePid}) `;
  }

  info(source: LogSource, where: string, message: string): void {
    this.#line('INFO', source, where, message);
  }

  warning(source: LogSource, where: string, message: string): void {
    this.#line('WARNING', source, where, message);
  }

  error(source: LogSource, where: string, message: string): void {
    this.#line('ERROR', source, where, message);
  }

  #line(level: string, source: LogSource, where: string, message: string): void {
    const head = `${this.#prefix(source)}${level} ${stamp()} [${where}] `;
    this.#stdout(
      message
        .split('\n')
        .map((line) => `${head}${line}\n`)
        .join(''),
    );
  }

  /** One access line of uvicorn. Such lines are written together, once a turn of the loop. */
  access(text: string): void {
    if (this.#waiting === '') soon(() => this.flush());
    this.#waiting += `INFO:     ${text}\n`;
  }

  /** One of uvicorn's own lines, which name no process. */
  uvicorn(text: string): void {
    this.#streams.stderr(`INFO:     ${text}\n`);
  }

  /** Tracebacks, and what no logger has formed. */
  stderr(source: LogSource, text: string): void {
    this.#streams.stderr(
      text
        .split('\n')
        .map((line) => `${this.#prefix(source)}${line}\n`)
        .join(''),
    );
  }

  /** The next state of a progress bar: drawn over the last, without a line end. */
  progress(source: LogSource, text: string): void {
    this.#streams.stderr(`\r${this.#prefix(source)}${text}`);
  }

  flush(): void {
    if (this.#waiting === '') return;
    this.#streams.stdout(this.#waiting);
    this.#waiting = '';
  }

  #stdout(text: string): void {
    this.flush();
    this.#streams.stdout(text);
  }
}
