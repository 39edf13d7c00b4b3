import {
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Clock, Timer } from '../../gateway/core/clock.ts';
import { repeat } from '../../gateway/core/clock.ts';
import { noteZone, readZone } from '../../gateway/core/history/engine-zone.ts';

/** The log files of a worker's model: `<name>.log` of this start, `<name>.previous.log` of the one before, `<name>.failed.log` of the last that failed. */
export interface LogFiles {
  readonly current: string;
  readonly previous: string;
  readonly failed: string;
}

export function logFiles(directory: string, name: string): LogFiles {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return {
    current: join(directory, `${name}.log`),
    previous: join(directory, `${name}.previous.log`),
    failed: join(directory, `${name}.failed.log`),
  };
}

/** Makes room for a new start's log, and its folder anew where somebody has taken it away. */
export function rotate(files: LogFiles): void {
  mkdirSync(dirname(files.current), { recursive: true, mode: 0o700 });
  if (!existsSync(files.current)) return;
  renameSync(files.current, files.previous);
  noteZone(files.previous, readZone(files.current));
}

/** Keeps a start's log beyond the next rotations: it shows the last failure. */
export function keepAsFailed(log: string, { failed }: LogFiles): void {
  if (!existsSync(log)) return;
  rmSync(failed, { force: true });
  noteZone(failed, readZone(log));
  try {
    linkSync(log, failed);
  } catch {
    // Not every file system knows hard links.
    copyFileSync(log, failed);
  }
}

const POLL_MS = 100;
/** The same once nothing has come for `QUIET_MS`: an engine that serves nobody prints a line in ten seconds. */
const QUIET_POLL_MS = 400;
const QUIET_MS = 1000;
/** A larger piece would outlive the short-lived memory that pieces of text belong in. */
const READ_BYTES = 64 * 1024;
/** More than this unread is skipped, except for the end: the file has it, memory and time are short. */
const MAX_BEHIND_BYTES = 8 * 1024 * 1024;
/** With `<file>.1`, the log of the start before and that of the last failure, a worker's logs take four times this at most. */
const MAX_FILE_BYTES = 32 * 1024 * 1024;

/** Reads a file as it grows, and keeps it from growing without end: what is over the limit moves to `<file>.1`. */
export class LogFollower {
  readonly #path: string;
  readonly #onBytes: (bytes: Buffer) => void;
  readonly #maxFileBytes: number;
  /** null where there is no such file any more: somebody has cleared it away, and whoever writes it goes on without us. */
  readonly #fd: number | null;
  readonly #buffer = Buffer.alloc(READ_BYTES);
  readonly #clock: Clock;
  readonly #timer: Timer;
  #newsAtMs: number;
  #offset: number;
  #open = true;

  /**
   * `onBytes` is called with what comes, cut anywhere, and must be done with it when it returns. `offset`: where to begin, in bytes; past
   * the end of the file it begins anew.
   */
  constructor(clock: Clock, path: string, onBytes: (bytes: Buffer) => void, options: { maxFileBytes?: number; offset?: number } = {}) {
    this.#path = path;
    this.#onBytes = onBytes;
    this.#maxFileBytes = options.maxFileBytes ?? MAX_FILE_BYTES;
    this.#fd = this.#opened();
    this.#offset = options.offset ?? 0;
    this.#clock = clock;
    this.#newsAtMs = clock.now();
    this.#timer = repeat(
      clock,
      () => this.#pauseMs(),
      () => this.#readSafely(),
    );
  }

  /** How far it has read, in bytes. */
  get offset(): number {
    return this.#offset;
  }

  /** Reads what is there and lets go of the file. */
  close(): void {
    if (!this.#open) return;
    this.#timer.cancel();
    this.#readSafely();
    this.#open = false;
    if (this.#fd !== null) closeSync(this.#fd);
  }

  #opened(): number | null {
    try {
      return openSync(this.#path, 'r');
    } catch (error) {
      this.#onBytes(Buffer.from(`[the log could not be read: ${(error as Error).message}]\n`));
      return null;
    }
  }

  #pauseMs(): number {
    return this.#clock.now() - this.#newsAtMs > QUIET_MS ? QUIET_POLL_MS : POLL_MS;
  }

  /** A log that cannot be read, or a disk that is full, is no reason to give up the worker. */
  #readSafely(): void {
    try {
      if (this.#open && this.#fd !== null) this.#read(this.#fd);
    } catch (error) {
      this.#onBytes(Buffer.from(`\n[the log could not be read: ${(error as Error).message}]\n`));
    }
  }

  #read(fd: number): void {
    const { size } = fstatSync(fd);
    if (size === this.#offset) return;
    this.#newsAtMs = this.#clock.now();
    // Somebody has emptied it.
    if (size < this.#offset) this.#offset = 0;
    if (size - this.#offset > MAX_BEHIND_BYTES) this.#offset = size - MAX_BEHIND_BYTES / 2;
    this.#readOn(fd, size + MAX_BEHIND_BYTES);
    if (this.#offset > this.#maxFileBytes) this.#cut(fd);
  }

  /** To the end, or to `limit`: a child that writes faster than we read must not keep us here. */
  #readOn(fd: number, limit: number): void {
    while (this.#offset <= limit) {
      const bytes = readSync(fd, this.#buffer, 0, READ_BYTES, this.#offset);
      if (bytes === 0) return;
      this.#offset += bytes;
      this.#onBytes(this.#buffer.subarray(0, bytes));
    }
  }

  /** The child appends, so its next line goes to the start of the emptied file. What it wrote while this copied is read before it is gone. */
  #cut(fd: number): void {
    try {
      copyFileSync(this.#path, `${this.#path}.1`);
    } catch (error) {
      // On a full disk the copy is what can be spared, not the limit.
      rmSync(`${this.#path}.1`, { force: true, recursive: true });
      this.#onBytes(Buffer.from(`\n[the first part of the log could not be kept: ${(error as Error).message}]\n`));
    }
    this.#readOn(fd, this.#offset + MAX_BEHIND_BYTES);
    truncateSync(this.#path, 0);
    this.#offset = 0;
  }
}
