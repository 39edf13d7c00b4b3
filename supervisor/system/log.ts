import type { Clock } from '../../gateway/core/clock.ts';

export type LogFields = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

/** One line of the supervisor's log for everything that an operator would want to know later. */
export interface Log {
  info(event: string, msg: string, fields?: LogFields): void;
  warn(event: string, msg: string, fields?: LogFields): void;
  error(event: string, msg: string, fields?: LogFields): void;
}

/** JSON, one object a line. A reader that goes away is no reason to stop: the workers matter more than their log. */
export function jsonLog(clock: Clock, out: NodeJS.WritableStream): Log {
  out.on('error', () => {});
  function write(level: string, event: string, msg: string, fields: LogFields = {}): void {
    out.write(`${JSON.stringify({ time: new Date(clock.wall()).toISOString(), level, event, msg, ...fields })}\n`);
  }
  return {
    info: (event, msg, fields) => write('info', event, msg, fields),
    warn: (event, msg, fields) => write('warn', event, msg, fields),
    error: (event, msg, fields) => write('error', event, msg, fields),
  };
}
