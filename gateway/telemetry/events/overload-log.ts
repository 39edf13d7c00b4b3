import type { Log } from '../../core/log/log.ts';

/** Says when the gateway begins to refuse new calls because it cannot keep up with those it has, and when that is over. */
export function overloadLog(log: Pick<Log, 'info' | 'warn'>): { onBegin(lateMs: number): void; onEnd(refused: number): void } {
  return {
    onBegin(lateMs) {
      const late = `What is due is done ${Math.round(lateMs)} ms late`;
      log.warn(
        'overload',
        `${late}: new calls are refused (503) until those that run leave time for them. Run a second gateway beside this one.`,
      );
    },
    onEnd(refused) {
      log.info('overload', `New calls are taken again; ${refused} were refused.`);
    },
  };
}
