import { type Clock, StoodStill, type Timer } from '../../core/clock.ts';

export interface SilenceSettings {
  readonly first_token_ms: number;
  /** Between two reads, and the time a client may go without reading. */
  readonly idle_ms: number;
  /** Silence after which a comment tells the client that we are still there; 0 = never. */
  readonly keep_alive_ms: number;
}

export interface SilenceListener {
  /** When the worker was last seen to do anything, for whomever; monotonic ms, -Infinity where that is not known. */
  movedAt(): number;
  onNoFirstToken(): void;
  onIdle(): void;
  onReaderStalled(): void;
  /** Time for a comment. */
  onKeepAlive(): void;
}

/**
 * Watches how long a stream's worker has been silent. One timer, armed for whichever limit comes first, which looks again when it fires:
 * a token only notes the time. A worker that says nothing to this stream but is seen to work is slow (a long prompt, its own queue, a tool
 * call that its parser holds back) and not stuck.
 */
export class SilenceWatch {
  readonly #clock: Clock;
  readonly #settings: SilenceSettings;
  readonly #listener: SilenceListener;
  #timer: Timer | null = null;
  #dueAt = 0;
  #stoodStill: StoodStill | null = null;
  #heardFirst = false;
  #held = false;
  /** When the worker last wrote, or was asked. */
  #heardAt: number;
  /** When it was last seen to work on, as of the last look. */
  #movedAt = -Infinity;
  /** When the client last got something, comments included. */
  #toldAt: number;

  constructor(clock: Clock, settings: SilenceSettings, listener: SilenceListener) {
    this.#clock = clock;
    this.#settings = settings;
    this.#listener = listener;
    this.#heardAt = this.#toldAt = clock.now();
  }

  start(): void {
    this.#armFor(this.#limitAt());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  /** The client reads too slowly, and what the worker says is left unread. */
  get isHeld(): boolean {
    return this.#held;
  }

  /** The request has been written. */
  sent(now: number): void {
    this.#heardAt = this.#toldAt = now;
  }

  heard(now: number): void {
    this.#heardFirst = true;
    this.#heardAt = this.#toldAt = now;
  }

  /** The client reads too slowly: from now on its silence is watched instead of the worker's. */
  hold(now: number): void {
    this.#held = true;
    this.#heardAt = now;
    this.start();
  }

  release(now: number): void {
    this.#held = false;
    this.#heardAt = this.#toldAt = now;
    // Armed for the client's silence, which may be allowed to last longer than the next comment.
    this.start();
  }

  #armFor(at: number): void {
    this.#timer?.cancel();
    const now = this.#clock.now();
    this.#dueAt = Math.max(now + 1, at);
    this.#timer = this.#clock.after(this.#dueAt - now, () => this.#onDue());
  }

  #limitAt(): number {
    const { first_token_ms, idle_ms, keep_alive_ms } = this.#settings;
    if (this.#held) return this.#heardAt + idle_ms;
    const limit = Math.max(this.#heardAt, this.#movedAt) + (this.#heardFirst ? idle_ms : first_token_ms);
    return keep_alive_ms > 0 ? Math.min(limit, this.#toldAt + keep_alive_ms) : limit;
  }

  #onDue(): void {
    const now = this.#clock.now();
    const extraMs = (this.#stoodStill ??= new StoodStill()).extraMs(this.#dueAt, now);
    if (extraMs > 0) return this.#armFor(now + extraMs);
    const { first_token_ms, idle_ms, keep_alive_ms } = this.#settings;
    if (this.#held) {
      if (now - this.#heardAt >= idle_ms) return this.#listener.onReaderStalled();
    } else {
      this.#movedAt = this.#listener.movedAt();
      const stillMs = now - Math.max(this.#heardAt, this.#movedAt);
      if (!this.#heardFirst && stillMs >= first_token_ms) return this.#listener.onNoFirstToken();
      if (this.#heardFirst && stillMs >= idle_ms) return this.#listener.onIdle();
    }
    if (keep_alive_ms > 0 && !this.#held && now - this.#toldAt >= keep_alive_ms) {
      this.#toldAt = now;
      this.#listener.onKeepAlive();
    }
    this.start();
  }
}
