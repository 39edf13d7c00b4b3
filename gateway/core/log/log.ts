import { pino } from 'pino';
import type { Clock } from '../clock.ts';
import { admitFields, capped } from './fields.ts';
import type { LogFields } from './fields.ts';
import { prettyLine } from './pretty.ts';
import { type LogDestination, lostMessage, StandardOutput } from './standard-output.ts';

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';
export type LogFormat = 'json' | 'pretty';

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
  /** The last lines written, oldest first, as JSON. */
  tail(): readonly string[];
  /** Hands everything written so far to the operating system before it returns. */
  flush(): void;
}

interface LogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly clock: Clock;
  /** JSON goes out line by line too: for a process of few lines, each of which somebody waits for. */
  readonly promptly?: true;
  /** Default: the process's standard output. */
  readonly destination?: LogDestination;
}

const TAIL_LINES = 200;

/** The log of the process. On standard output JSON is gathered for up to 200 ms unless it is to go out promptly; pretty lines are written at once. */
export function createLog(options: LogOptions): Log {
  const { clock, format } = options;
  const target = options.destination ?? new StandardOutput(clock, format === 'json' && !options.promptly, lostLines);
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
      shownTime = `,"time":"${new Date(now).toISOString()}"`;
    }
    return shownTime;
  }

  const logger = pino(
    { base: null, level: options.level, timestamp, formatters: { level: (label) => ({ level: label }) } },
    {
      write(line: string): void {
        keep(line);
        target.write(format === 'pretty' ? prettyLine(line) : line);
      },
    },
  );

  function lostLines(count: number): string {
    const line = `{"level":"warn"${timestamp()},"event":"log.lost","msg":"${lostMessage(count)}"}\n`;
    return format === 'pretty' ? prettyLine(line) : line;
  }

  function write(level: Exclude<LogLevel, 'silent'>, event: string, msg: string, fields: LogFields = {}): void {
    if (!logger.isLevelEnabled(level)) return;
    logger[level]({ event, ...admitFields(fields) }, capped(msg));
  }

  return {
    get level() {
      return logger.level as LogLevel;
    },
    set level(level) {
      logger.level = level;
    },
    enabled: (level) => level !== 'silent' && logger.isLevelEnabled(level),
    write,
    debug: (event, msg, fields) => write('debug', event, msg, fields),
    info: (event, msg, fields) => write('info', event, msg, fields),
    warn: (event, msg, fields) => write('warn', event, msg, fields),
    error: (event, msg, fields) => write('error', event, msg, fields),
    tail: () => [...tail.slice(oldest), ...tail.slice(0, oldest)].map((line) => line.trimEnd()),
    flush: () => target.flushSync?.(),
  };
}
