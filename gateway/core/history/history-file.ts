import { closeSync, fstatSync, mkdirSync, openSync, readSync, renameSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock } from '../clock.ts';
import { admitFields, capped, type LogFields } from '../log/fields.ts';
import { withoutSecrets } from '../secrets/text.ts';
import type { Historian } from './entry.ts';

/** Takes down what happens, for whoever asks in the morning. */
export interface History {
  /** Never throws and never waits for long. */
  add(level: string, event: string, msg: string, fields?: LogFields): void;
}

interface HistoryFileOptions {
  readonly stateDir: string;
  readonly by: Historian;
  readonly clock: Clock;
  /** An entry could not be written. Told once until one can be again. */
  readonly onUnwritten: (reason: string) => void;
  /** Past this size, in bytes, the file becomes `<file>.1`, and what that was is gone. */
  readonly maxBytes?: number;
}

const MAX_BYTES = 1024 * 1024;
const NEWLINE = 10;

export function historyPath(stateDir: string, by: Historian): string {
  return join(stateDir, `events-${by}.jsonl`);
}

/**
 * A line of JSON for each entry, handed to the system before `add` returns, so that a kill a moment later takes none of it. Opened anew for
 * each: entries are rare, and somebody may have moved the file, or another process of ours turned it over.
 */
export class HistoryFile implements History {
  readonly #options: HistoryFileOptions;
  readonly #path: string;
  #isUnwritten = false;

  constructor(options: HistoryFileOptions) {
    this.#options = options;
    this.#path = historyPath(options.stateDir, options.by);
  }

  add(level: string, event: string, msg: string, fields: LogFields = {}): void {
    const { by, clock, onUnwritten } = this.#options;
    const at = new Date(clock.wall()).toISOString();
    const line = `${JSON.stringify({ at, by, process: process.pid, level, event, msg: capped(withoutSecrets(msg)), ...admitFields(fields) })}\n`;
    try {
      this.#append(line);
      this.#isUnwritten = false;
    } catch (error) {
      if (this.#isUnwritten) return;
      this.#isUnwritten = true;
      onUnwritten((error as Error).message);
    }
  }

  #append(line: string): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const file = openSync(this.#path, 'a+', 0o600);
    try {
      const { size } = fstatSync(file);
      // Half a line is left where the disk was full: what comes must not be lost with it.
      writeSync(file, size > 0 && lastByte(file, size) !== NEWLINE ? `\n${line}` : line);
      if (size + line.length > (this.#options.maxBytes ?? MAX_BYTES)) renameSync(this.#path, `${this.#path}.1`);
    } finally {
      closeSync(file);
    }
  }
}

function lastByte(file: number, size: number): number | undefined {
  const byte = Buffer.alloc(1);
  readSync(file, byte, 0, 1, size - 1);
  return byte[0];
}
