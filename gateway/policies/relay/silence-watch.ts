import type { Clock, Timer } from '../../core/clock.ts';

export interface SilenceSettings {
  readonly first_token_ms: number;
  /** Between two reads, and the time a client may go without reading. */
  readonly idle_ms: number;
  /** Silence after which a comment tells the client that we are still there; 0 = never. */
  readonly keep_alive_ms: number;
}

export interface SilenceListener {
  onNoFirstToken(): void;
  onIdle(): void;
  onReaderStalled(): void;
  /** Time for a comment. */
  onKeepAlive(): void;
}

/**
 * Watches how long a stream's worker has been silent. One timer, armed for whichever limit comes first, which looks again when it fires:
 * a token only notes the time.
 */
export class SilenceWatch {
  readonly #clock: Clock;
  readonly #settings: SilenceSettings;
  readonly #listener: SilenceListener;
  #timer: Timer | null = null;
  #heardFirst = false;
  #held = false;
  /** When the worker last wrote, or was asked. */
  #heardAt: number;
  /** When the client last got something, comments included. */
  #toldAt: number;

  constructor(clock: Clock, settings: SilenceSettings, listener: SilenceListener) {
    this.#clock = clock;
    this.#settings = settings;
    this.#listener = listener;
    this.#heardAt = this.#toldAt = clock.now();
  }

  start(): void {
    this.#timer?.cancel();
    this.#timer = this.#clock.after(Math.max(1, this.#dueAt() - this.#clock.now()), () => this.#onDue());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
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

  #dueAt(): number {
    const { first_token_ms, idle_ms, keep_alive_ms } = this.#settings;
    if (this.#held) return this.#heardAt + idle_ms;
    const limit = this.#heardAt + (this.#heardFirst ? idle_ms : first_token_ms);
    return keep_alive_ms > 0 ? Math.min(limit, this.#toldAt + keep_alive_ms) : limit;
  }

  #onDue(): void {
    const now = this.#clock.now();
    const { first_token_ms, idle_ms, keep_alive_ms } = this.#settings;
    const silentMs = now - this.#heardAt;
    if (this.#held) {
      if (silentMs >= idle_ms) return this.#listener.onReaderStalled();
    } else if (!this.#heardFirst) {
      if (silentMs >= first_token_ms) return this.#listener.onNoFirstToken();
    } else if (silentMs >= idle_ms) return this.#listener.onIdle();
    if (keep_alive_ms > 0 && !this.#held && now - this.#toldAt >= keep_alive_ms) {
      this.#toldAt = now;
      this.#listener.onKeepAlive();
    }
    this.start();
  }
}
