import type { LogFields } from '../log/fields.ts';
import type { Log } from '../log/log.ts';
import type { History } from './history-file.ts';

/** Lines of workers that stand for a step in between. */
const PASSING: ReadonlySet<unknown> = new Set(['warming', 'backoff', 'stopping']);

const OF_BOTH = ['supervisor.start', 'supervisor.stop', 'supervisor.end', 'supervisor.lost', 'supervisor.failed'];
const OF_THE_GATEWAY = [
  ...['gateway.start', 'gateway.lost', 'breaker', 'pressure', 'canary', 'config.reload', 'drain', 'worker.told', 'worker.kept'],
  ...['process.exit', 'process.hung', 'process.start', 'process.given_up'],
  ...['files.few', 'files.clients', 'files.none', 'admin.key', 'keys.changed', 'keys.refused'],
  ...['supervisor.exit', 'supervisor.hung', 'supervisor.found', 'supervisor.away', 'supervisor.back'],
];
const OF_WORKERS = [
  ...['worker.state', 'worker.failure', 'worker.degraded', 'worker.adopted', 'worker.leftover', 'worker.overdue', 'worker.waiting'],
  ...['worker.record', 'worker.unserved', 'model.swap', 'gpu.lease'],
];

const OF_ALL: ReadonlySet<string> = new Set([...OF_BOTH, ...OF_THE_GATEWAY, ...OF_WORKERS, 'supervisor.plan']);

/** Whether a line of the log with this event may stand in the history as well. */
export function mayBeRecorded(event: string): boolean {
  return OF_ALL.has(event);
}

/**
 * A log that also takes down what belongs into the history, whatever its level lets through. `workers`: whether lines about workers do;
 * a supervisor takes down its own.
 */
export function recordingLog(log: Log, history: History, workers: boolean): Log {
  const kept = new Set([...OF_BOTH, ...OF_THE_GATEWAY, ...(workers ? OF_WORKERS : [])]);
  function write(level: Parameters<Log['write']>[0], event: string, msg: string, fields?: LogFields): void {
    const isTrouble = event === 'supervisor.plan' && level !== 'info';
    if (isTrouble || (kept.has(event) && !PASSING.has(fields?.state))) history.add(level, event, msg, fields);
    log.write(level, event, msg, fields);
  }
  return {
    get level() {
      return log.level;
    },
    set level(level) {
      log.level = level;
    },
    enabled: (level) => log.enabled(level),
    write,
    debug: (event, msg, fields) => write('debug', event, msg, fields),
    info: (event, msg, fields) => write('info', event, msg, fields),
    warn: (event, msg, fields) => write('warn', event, msg, fields),
    error: (event, msg, fields) => write('error', event, msg, fields),
    announce: (event, msg) => log.announce(event, msg),
    show: (text) => log.show(text),
    tail: () => log.tail(),
    flush: () => log.flush(),
  };
}
