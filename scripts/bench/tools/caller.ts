import { connect, type Socket } from 'node:net';
import { AnswerReader } from './answer-reader.ts';
import type { LoadOptions } from './load-options.ts';
import type { Tally } from './tally.ts';

const AT = 64;
const ZERO = 48;

/** CLOCK_MONOTONIC, which is what the stub's tokens are. */
export function nowUs(): number {
  return Math.floor(Number(process.hrtime.bigint() / 1000n));
}

/** One connection that is asked over and over, and what came of it. */
export class Caller {
  readonly #options: LoadOptions;
  readonly #tally: Tally;
  /** It is free again. */
  readonly #onFree: (caller: Caller) => void;
  #socket: Socket | null = null;
  #reader = new AnswerReader();
  #dueUs = 0;
  #tokens = 0;
  #stamp = 0;
  #hasDigits = false;
  #aborts = false;
  #request: Buffer | null = null;
  #isKept = false;
  isBusy = false;

  constructor(options: LoadOptions, tally: Tally, onFree: (caller: Caller) => void) {
    this.#options = options;
    this.#tally = tally;
    this.#onFree = onFree;
  }

  /** Resolves when it is connected, or is not to be. */
  open(): Promise<void> {
    return new Promise((resolve) => {
      const socket = connect({ port: this.#options.port, host: '127.0.0.1', noDelay: true });
      this.#socket = socket;
      this.#isKept = false;
      let isConnected = false;
      socket.on('connect', () => {
        isConnected = true;
        resolve();
      });
      socket.on('data', (bytes: Buffer) => this.#take(bytes));
      socket.on('error', () => {});
      socket.on('close', () => {
        resolve();
        if (this.#socket === socket) this.#closed(isConnected);
      });
    });
  }

  ask(request: Buffer, dueUs: number): void {
    const { stream, abort } = this.#options;
    this.#tally.calls++;
    this.#request = request;
    this.#dueUs = dueUs;
    this.#tokens = 0;
    this.#hasDigits = false;
    this.#aborts = stream && abort > 0 && Math.random() < abort;
    this.isBusy = true;
    const late = nowUs() - dueUs;
    if (late > 0) this.#tally.late.note(late);
    this.#send(request);
  }

  /** Whatever is under way stays unanswered. */
  hangUp(): void {
    if (this.isBusy) this.#tally.held++;
    this.isBusy = false;
    this.#drop();
  }

  #send(request: Buffer): void {
    this.#reader = new AnswerReader();
    if (this.#socket === null) void this.open();
    this.#socket!.write(request);
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.destroy();
  }

  #closed(isConnected: boolean): void {
    this.#socket = null;
    if (!this.isBusy) return;
    if (this.#reader.endsHere()) return this.#finish(nowUs());
    // Closed at the other end at the very moment it was used: asked anew, once, as any client does.
    if (this.#isKept && this.#reader.head === null) return this.#send(this.#request!);
    this.#fail(isConnected ? 'cut' : 'refused');
  }

  #fail(kind: string): void {
    this.#tally.error(kind);
    this.#free();
  }

  #free(): void {
    this.isBusy = false;
    this.#isKept = true;
    this.#onFree(this);
  }

  #take(bytes: Buffer): void {
    const now = nowUs();
    const { stream, maxTokens } = this.#options;
    this.#tally.bytes += bytes.length;
    if (!this.isBusy) {
      this.#tally.error('unasked');
      return this.#drop();
    }
    if (this.#reader.head === null) this.#tally.firstByte.note(now - this.#dueUs);
    let done;
    try {
      ({ done } = this.#reader.take(bytes, (piece) => {
        if (stream) this.#look(piece, now);
      }));
    } catch {
      this.#drop();
      return this.#fail('cut');
    }
    if (this.#aborts && this.#tokens * 4 >= maxTokens) {
      this.#tally.aborted++;
      this.#drop();
      return this.#free();
    }
    if (done) this.#finish(now);
  }

  #finish(now: number): void {
    const { status, closes } = this.#reader.head!;
    const { stream, maxTokens } = this.#options;
    if (closes) this.#drop();
    if (status !== 200) return this.#fail(`status ${status}`);
    if (stream && this.#tokens !== maxTokens) return this.#fail('short');
    this.#tally.ok++;
    this.#tally.latency.note(now - this.#dueUs);
    this.#free();
  }

  /** Finds the times that tokens are, @ and digits, whatever the frames have been cut into. */
  #look(piece: Buffer, now: number): void {
    for (let at = 0; at < piece.length;) {
      if (!this.#hasDigits) {
        const next = piece.indexOf(AT, at);
        if (next < 0) return;
        at = next + 1;
        this.#hasDigits = true;
        this.#stamp = 0;
      }
      for (; at < piece.length; at++) {
        const digit = piece[at]! - ZERO;
        if (digit < 0 || digit > 9) break;
        this.#stamp = this.#stamp * 10 + digit;
      }
      if (at === piece.length) return;
      this.#hasDigits = false;
      this.#tokens++;
      this.#tally.chunks++;
      this.#tally.delay.note(now - this.#stamp);
    }
  }
}
