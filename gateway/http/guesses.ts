import type { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { sourceOf } from '../keys/client-address.ts';
import { WrongKey } from '../keys/door.ts';

/** How long a wrong key waits for its answer. */
const HOLD_MS = 2_000;
/** Wrong keys of one address that wait; while they do, no other key from there is looked at. */
const AT_ONCE = 4;
/** Wrong keys that wait, of all addresses. */
const MOST = 256;
/** Wrong keys of clients from an address in a minute that are told so at once: a mistake is made more than once. */
const FREE = 20;
const MINUTE_MS = 60_000;
/** Addresses of which that is remembered. */
const MOST_SOURCES = 10_000;
const LOOPBACK = /^(?:127\.|::1$|::ffff:127\.)/;

/**
 * Slows down whoever tries keys: two a second from an address, one a connection. All that is remembered is what waits. What comes from this
 * machine is always looked at, since a stranger behind a proxy here cannot be told from the operator, whom nobody is to lock out.
 */
export class Guesses {
  readonly #clock: Clock;
  readonly #atOnce: number;
  readonly #waiting = new Map<string, number>();
  #count = 0;
  /** In the order in which they began. */
  readonly #mistakes = new Map<string, { readonly since: number; count: number }>();

  /** @param processes that strangers may try by turns */
  constructor(clock: Clock, processes = 1) {
    this.#clock = clock;
    this.#atOnce = Math.max(1, Math.floor(AT_ONCE / processes));
  }

  /** Asked before a key is compared. @throws too_many_wrong_keys */
  check(address: string): void {
    if (LOOPBACK.test(address)) return;
    if (this.#count < MOST && (this.#waiting.get(sourceOf(address)) ?? 0) < this.#atOnce) return;
    const message = 'Too many wrong keys have come from here: this one was not looked at. Try again in some seconds.';
    throw new GatewayError('too_many_wrong_keys', message, { retryAfterMs: HOLD_MS, close: true });
  }

  /** After a wrong key: resolves when it may be told so, or when its sender has gone, who is remembered all the same. */
  wrong(address: string, socket: EventEmitter): Promise<void> {
    if (this.#count >= MOST) return Promise.resolve();
    const source = sourceOf(address);
    this.#count++;
    this.#waiting.set(source, (this.#waiting.get(source) ?? 0) + 1);
    return new Promise((resolve) => {
      socket.once('close', resolve);
      this.#clock.after(HOLD_MS, () => {
        this.#forget(source);
        socket.off('close', resolve);
        resolve();
      });
    });
  }

  /**
   * Why a request is refused, when it may be told: a wrong key of a client after a while, if many have come from there. Unlike with the one
   * key of an operator, others from the same address are looked at meanwhile: they may be those of everybody behind a proxy. Never rejects.
   */
  async inTime(refusal: unknown, { socket }: IncomingMessage): Promise<unknown> {
    const address = socket.remoteAddress ?? '';
    if (!(refusal instanceof WrongKey) || this.#isForgiven(sourceOf(address))) return refusal;
    try {
      this.check(address);
      await this.wrong(address, socket);
      return refusal;
    } catch (tooMany) {
      return tooMany;
    }
  }

  #isForgiven(source: string): boolean {
    const now = this.#clock.now();
    const known = this.#mistakes.get(source);
    if (known !== undefined && now - known.since < MINUTE_MS) return ++known.count <= FREE;
    this.#mistakes.delete(source);
    if (this.#mistakes.size >= MOST_SOURCES) this.#mistakes.delete(this.#mistakes.keys().next().value!);
    this.#mistakes.set(source, { since: now, count: 1 });
    return true;
  }

  #forget(source: string): void {
    this.#count--;
    const left = this.#waiting.get(source)! - 1;
    if (left === 0) this.#waiting.delete(source);
    else this.#waiting.set(source, left);
  }
}
