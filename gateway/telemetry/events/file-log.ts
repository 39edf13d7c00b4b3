import type { Clock } from '../../core/clock.ts';
import type { LogFields } from '../../core/log/fields.ts';
import type { Log } from '../../core/log/log.ts';

/** What lasts is told again after so long. */
const AGAIN_MS = 60_000;

interface FileTold {
  readonly id: string;
  /** '' for whoever has none. */
  readonly key: string;
  readonly requestId: string;
}

/** The lines about files. */
export function fileLog(log: Pick<Log, 'info' | 'error'>, clock: Clock) {
  let toldAt = -Infinity;
  const fieldsOf = ({ id, key, requestId }: FileTold): LogFields => ({ request_id: requestId, file: id, key: key === '' ? null : key });
  return {
    added(file: FileTold & { readonly bytes: number; readonly purpose: string; readonly durationMs: number }): void {
      const { bytes, purpose, durationMs } = file;
      log.info('file.added', 'a file was kept', { ...fieldsOf(file), bytes, purpose, duration_ms: Math.round(durationMs) });
    },
    deleted(file: FileTold): void {
      log.info('file.deleted', 'a file was deleted', fieldsOf(file));
    },
    /** @param doing as in "writing a file" */
    trouble(doing: string, message: string): void {
      if (clock.now() - toldAt < AGAIN_MS) return;
      toldAt = clock.now();
      log.error('files.trouble', `What went wrong in ${doing}: ${message}.`);
    },
  };
}
