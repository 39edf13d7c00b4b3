import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../core/clock.ts';
import type { Door } from '../../keys/door.ts';
import { isOfOwnPage } from '../origin.ts';

const LASTS_MS = 7 * 24 * 3_600_000;
const MS_PER_SECOND = 1_000;
const SAFE: ReadonlySet<string | undefined> = new Set(['GET', 'HEAD']);
const TOKEN = /^([\w-]*)\.([0-9a-z]{1,11})\.([\w-]{43})$/;

/**
 * Operators in a browser: a cookie in place of the key, which no page can read and no other site can send. Nothing is kept here: what the
 * cookie says is signed with the keys themselves, so that it is over when a key is, in every process of a gateway.
 */
export class Sessions {
  readonly #clock: Clock;
  readonly #key: () => string | null;
  readonly #door: Door;

  /** @param key the key of /admin; null: there is none */
  constructor(clock: Clock, key: () => string | null, door: Door) {
    this.#clock = clock;
    this.#key = key;
    this.#door = door;
  }

  /** The cookie for whoever has given this key, which is good. null: without a key of /admin there is nothing to sign with. */
  open(given: string, incoming: IncomingMessage): string | null {
    const name = this.#door.adminOf(given)?.name ?? '';
    const until = (this.#clock.wall() + LASTS_MS).toString(36).split('.', 1)[0]!;
    const signature = this.#signature(name, until);
    if (signature === null) return null;
    return cookie(incoming, `${Buffer.from(name).toString('base64url')}.${until}.${signature}`, LASTS_MS / MS_PER_SECOND);
  }

  /** The cookie that ends it. */
  close(incoming: IncomingMessage): string {
    return cookie(incoming, '', 0);
  }

  /**
   * Whether a request comes from somebody who has signed in. What changes something must come from a page of our own, too: the browser says
   * so, and no page can say otherwise.
   */
  holds(incoming: IncomingMessage): boolean {
    const token = cookieOf(incoming);
    const [, encoded, until, signature] = TOKEN.exec(token ?? '') ?? [];
    if (encoded === undefined || until === undefined || signature === undefined) return false;
    if (!SAFE.has(incoming.method) && !isOfOwnPage(incoming.headers)) return false;
    if (Number.parseInt(until, 36) < this.#clock.wall()) return false;
    const right = this.#signature(Buffer.from(encoded, 'base64url').toString(), until);
    return right !== null && timingSafeEqual(Buffer.from(right), Buffer.from(signature));
  }

  /** With the key of /admin, and that of a client where it was one: who could read only what is kept of that could not sign. */
  #signature(name: string, until: string): string | null {
    const key = this.#key();
    const own = name === '' ? '' : this.#door.ring.digestOf(name, this.#clock.wall());
    if (key === null || own === null) return null;
    const secret = `${hash('sha256', key)}${own}`;
    return createHmac('sha256', secret).update(`headgate console\n${name}\n${until}`).digest('base64url');
  }
}

/** Cookies know no ports: each gateway on a machine has its own. */
function nameFor({ socket }: IncomingMessage): string {
  return `headgate_console_${socket.localPort ?? 0}`;
}

function cookieOf(incoming: IncomingMessage): string | null {
  const name = `${nameFor(incoming)}=`;
  const found = incoming.headers.cookie?.split(';').find((part) => part.trimStart().startsWith(name));
  return found === undefined ? null : found.trim().slice(name.length);
}

function cookie(incoming: IncomingMessage, value: string, seconds: number): string {
  const isSecure = incoming.headers['x-forwarded-proto'] === 'https';
  return `${nameFor(incoming)}=${value}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${seconds}${isSecure ? '; Secure' : ''}`;
}
