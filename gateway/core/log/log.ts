import type { Clock } from '../clock.ts';
import { withoutSecrets } from '../secrets/text.ts';
import { capped } from './fields.ts';
import type { LogFields } from './fields.ts';
import { jsonLine } from './json-line.ts';
import { type KeepingPlace, KeptLines } from './kept-lines.ts';
import { prettyLine, shownText } from './pretty.ts';
import { type LogDestination, lostMessage, StandardOutput } from './standard-output.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
export type LogFormat = 'json' | 'pretty';
/** auto: pretty on a terminal, JSON anywhere else. */
export type LogFormatSetting = LogFormat | 'auto';

/** One line a call. `event` is a short dotted name for machines, `msg` a sentence for people: neither may quote what a client sent. */
export interface Log {
  /** May be set at any time. */
  level: LogLevel;
  enabled(level: LogLevel): boolean;
  write(level: Exclude<LogLevel, 'silent'>, event: string, msg: string, fields?: LogFields): void;
  debug(event: string, msg: string, fields?: LogFields): void;
  info(event: string, msg: string, fields?: LogFields): void;
  warn(event: string, msg: string, fields?: LogFields): void;
  error(event: string, msg: string, fields?: LogFields): void;
  /** The one sentence that somebody waits for, whatever the level: in JSON a line like others, for people the sentence by itself. */
  announce(event: string, msg: string): void;
  /** Shows a text on the terminal's present line until something else is written, or the next is shown. Does nothing unless `live`. */
  show(text: string): void;
  /** The last lines written, oldest first, as JSON. */
  tail(): readonly string[];
  /** Hands everything written so far to the operating system before it returns. */
  flush(): void;
}

interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormatSetting;
  readonly clock: Clock;
  /** JSON goes out line by line too: for a process of few lines, each of which somebody waits for. */
  readonly promptly?: true;
  /** Standard output is a terminal that can take a line back: what stands on the present line, of whatever process, goes before a line is written. */
  readonly live?: boolean;
  /** Default: the process's standard output. */
  readonly destination?: LogDestination;
  /** Where each line is kept as JSON besides, whatever its form elsewhere. Default: nowhere. */
  readonly keep?: KeepingPlace | null;
}

const RANK: Readonly<Record<LogLevel, number>> = { trace: 0, debug: 1, info: 2, warn: 3, error: 4, fatal: 5, silent: 6 };
const TAIL_LINES = 200;
/** To the beginning of the line, and everything on it away. */
const CLEAR_LINE = '\r\u001b[2K';

/** The log of the process. On standard output JSON is gathered for up to 200 ms unless it is to go out promptly; pretty lines are written at once. */
export function createLog(options: LogOptions): Log {
  const { clock } = options;
  const format = options.format === 'auto' ? usualFormat(options.destination) : options.format;
  const isLive = options.live === true && format === 'pretty';
  const target = options.destination ?? new StandardOutput(clock, format === 'json' && !options.promptly, lostLines);
  const kept = options.keep ? new KeptLines({ ...options.keep, clock, lost: lostLine, onUnkept }) : null;
  const clear = isLive ? CLEAR_LINE : '';
  const tail: string[] = [];
  let oldest = 0;

  function keep(line: string): void {
    if (tail.length < TAIL_LINES) tail.push(line);
    else {
      tail[oldest] = line;
      oldest = (oldest + 1) % TAIL_LINES;
    }
  }

  let shownMs = NaN;
  let shownTime = '';
  function timestamp(): string {
    const now = clock.wall();
    if (now !== shownMs) {
      shownMs = now;
      shownTime = new Date(now).toISOString();
    }
    return shownTime;
  }

  let level = options.level;
  const isEnabled = (wanted: LogLevel): boolean => wanted !== 'silent' && RANK[wanted] >= RANK[level];

  function put(line: string): void {
    keep(line);
    target.write(shown(line));
    kept?.write(line);
  }

  function shown(line: string): string {
    return format === 'pretty' ? clear + prettyLine(line) : line;
  }

  function lostLine(count: number): string {
    return jsonLine('warn', timestamp(), 'log.lost', lostMessage(count), {});
  }

  function lostLines(count: number): string {
    return shown(lostLine(count));
  }

  function onUnkept(reason: string): void {
    const told = `Lines of this log cannot be kept for "headgate logs", and go on without that: ${reason}.`;
    write('warn', 'log.unkept', told, { file: options.keep?.path });
  }

  function write(at: Exclude<LogLevel, 'silent'>, event: string, msg: string, fields: LogFields = {}): void {
    if (isEnabled(at)) put(jsonLine(at, timestamp(), event, msg, fields));
  }

  return {
    get level() {
      return level;
    },
    set level(next) {
      level = next;
    },
    enabled: isEnabled,
    write,
    debug: (event, msg, fields) => write('debug', event, msg, fields),
    info: (event, msg, fields) => write('info', event, msg, fields),
    warn: (event, msg, fields) => write('warn', event, msg, fields),
    error: (event, msg, fields) => write('error', event, msg, fields),
    announce(event, msg) {
      const line = jsonLine('info', timestamp(), event, msg, {});
      if (format !== 'pretty') return put(line);
      kept?.write(line);
      target.write(`${clear}${shownText(capped(withoutSecrets(msg)))}\n`);
    },
    show(text) {
      if (isLive) target.write(`${CLEAR_LINE}${text}\r`);
    },
    tail: () => [...tail.slice(oldest), ...tail.slice(0, oldest)].map((line) => line.trimEnd()),
    flush() {
      target.flushSync?.();
      kept?.flushSync();
    },
  };
}

function usualFormat(destination: LogDestination | undefined): LogFormat {
  return destination === undefined && process.stdout.isTTY === true ? 'pretty' : 'json';
}
