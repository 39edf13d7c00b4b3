import { close, closeSync, fstat, mkdir, mkdirSync, open, openSync, read, rename, stat, write, writeSync } from 'node:fs';
import { dirname } from 'node:path';

type Done = (error: Error | null) => void;

/** A file and those that it was before make this many. */
export const KEPT_FILES = 4;
const HOW = 'a+';
const MODE = 0o600;
const FOLDER_MODE = 0o700;
const NEWLINE = 10;
const LINE_END = Buffer.of(NEWLINE);

/** Where a file goes when it is full: `gateway.jsonl`, `gateway.1.jsonl`, … the oldest last. `age` 0: the one that is written. */
export function keptPath(path: string, age: number): string {
  return age === 0 ? path : path.replace(/(\.\w+)$/, `.${age}$1`);
}

/**
 * A file that only grows at its end, opened anew now and then: it, or its folder, may have been taken away, or another process of ours has
 * turned it over. Several may write to one: each write is of whole lines, and goes to the end. One call at a time.
 */
export class KeptFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number | null = null;
  #inode = 0;
  #size = 0;
  /** The last line in it may have no end: a disk was full, or a process was killed. */
  #isTorn = false;

  /** @param maxBytes past which it is turned over */
  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
  }

  /** Appends what `take` gives, which is asked when it can be written. The error is the system's. */
  append(take: () => Buffer, done: Done): void {
    if (this.#fd === null) return this.#open((error) => (error ? done(error) : this.#write(take(), done)));
    this.#write(take(), done);
  }

  /** At the very end, when nothing that takes time comes to its own any more. @throws what the system says */
  appendSync(bytes: Buffer): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: FOLDER_MODE });
    const fd = this.#fd ?? openSync(this.#path, HOW, MODE);
    try {
      if (this.#isTorn) writeSync(fd, LINE_END);
      writeSync(fd, bytes);
    } finally {
      if (fd !== this.#fd) closeSync(fd);
    }
  }

  /** The next append opens it anew. */
  letGo(done: () => void): void {
    const fd = this.#fd;
    this.#fd = null;
    if (fd === null) done();
    else close(fd, done);
  }

  #open(done: Done): void {
    mkdir(dirname(this.#path), { recursive: true, mode: FOLDER_MODE }, (failed) => {
      if (failed) return done(failed);
      open(this.#path, HOW, MODE, (error, fd) => {
        if (error) return done(error);
        fstat(fd, (error, found) => {
          if (error) return close(fd, () => done(error));
          const isKnown = found.ino === this.#inode;
          this.#fd = fd;
          this.#inode = found.ino;
          this.#size = found.size;
          if (isKnown || found.size === 0) done(null);
          else this.#lookAtEnd(fd, done);
        });
      });
    });
  }

  /** Half a line may be left of a process that was killed: what comes must not be lost with it. */
  #lookAtEnd(fd: number, done: Done): void {
    read(fd, Buffer.alloc(1), 0, 1, this.#size - 1, (error, bytes, [last]) => {
      this.#isTorn ||= error === null && bytes === 1 && last !== NEWLINE;
      done(null);
    });
  }

  #write(bytes: Buffer, done: Done): void {
    const rest = (): void =>
      this.#writeOn(bytes, (error) => {
        this.#isTorn = error !== null;
        if (error !== null || this.#size < this.#maxBytes) done(error);
        else this.#turnOver(done);
      });
    if (bytes.length === 0) done(null);
    else if (this.#isTorn) this.#writeOn(LINE_END, (error) => (error ? done(error) : rest()));
    else rest();
  }

  #writeOn(bytes: Buffer, done: Done): void {
    write(this.#fd!, bytes, 0, bytes.length, null, (error, written) => {
      if (error) return done(error);
      this.#size += written;
      if (written < bytes.length) this.#writeOn(bytes.subarray(written), done);
      else done(null);
    });
  }

  /** Not where another has done so since. */
  #turnOver(done: Done): void {
    stat(this.#path, (error, found) => {
      if (error || found.ino !== this.#inode || found.size < this.#maxBytes) this.letGo(() => done(null));
      else this.#shift(KEPT_FILES - 1, () => this.letGo(() => done(null)));
    });
  }

  /** The one of `age` gives way to the one that is younger. What cannot be moved, or is not there, stays. */
  #shift(age: number, done: () => void): void {
    if (age === 0) return done();
    rename(keptPath(this.#path, age - 1), keptPath(this.#path, age), () => this.#shift(age - 1, done));
  }
}
