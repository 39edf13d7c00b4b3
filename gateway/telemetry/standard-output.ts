import type { Clock, Timer } from '../core/clock.ts';
import type { LogDestination } from './log.ts';

/** What of a stream it needs: the process's standard output has it. */
export interface Output {
  write(text: string): boolean;
  readonly writableLength: number;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

/** Bytes gathered before a write, and how long they may wait for more. */
const BUFFER_BYTES = 4096;
const FLUSH_INTERVAL_MS = 200;
/** More than this is not kept for a reader that does not read. */
const MAX_WAITING_BYTES = 1_048_576;

/**
 * Lines on their way out, gathered where that is wanted. Where they cannot be written, because the terminal is closed, the disk full or
 * the reader asleep, they are lost and counted: a gateway does not stop for its log. `lost` makes the line that tells how many.
 */
export function standardOutput(
  clock: Clock,
  gathers: boolean,
  lost: (lines: number) => string,
  out: Output = process.stdout,
): LogDestination & { flushSync(): void } {
  let lines: string[] = [];
  let bytes = 0;
  let missing = 0;
  let timer: Timer | null = null;
  // Of the lines that were handed over last, at least.
  out.on('error', () => (missing += 1));
  process.once('exit', flush);

  function flush(): void {
    timer?.cancel();
    timer = null;
    if (lines.length === 0) return;
    const text = lines.join('');
    const count = lines.length;
    lines = [];
    bytes = 0;
    if (out.writableLength > MAX_WAITING_BYTES) {
      missing += count;
      return;
    }
    const told = missing === 0 ? '' : lost(missing);
    missing = 0;
    out.write(told + text);
  }

  return {
    write(line) {
      lines.push(line);
      bytes += line.length;
      if (!gathers || bytes >= BUFFER_BYTES) flush();
      else timer ??= clock.after(FLUSH_INTERVAL_MS, flush);
    },
    flushSync: flush,
  };
}
