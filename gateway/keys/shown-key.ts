import type { Found, Held, KeyRing } from './key-ring.ts';

/**
 * The key that a connection has brought before, which most bring all their life: to look for it by its SHA-256 costs several times as much.
 * Only what was found good is remembered, as long as the connection and the keys are there.
 */
export class ShownKey {
  #secret = '';
  #ring: KeyRing | null = null;
  #held: Held | null = null;

  /** What `ring.find` says. @param now milliseconds since the epoch */
  find(ring: KeyRing, secret: string, now: number): Found {
    const held = this.#held;
    if (held !== null && this.#ring === ring && now < held.endsAt && isSame(secret, this.#secret)) return held;
    const found = ring.find(secret, now);
    if (found.kind === 'holder') {
      this.#secret = secret;
      this.#ring = ring;
      this.#held = found;
    }
    return found;
  }
}

/** Takes as long wherever they differ: behind a proxy others may have the same connection. */
function isSame(given: string, secret: string): boolean {
  if (given.length !== secret.length) return false;
  let differing = 0;
  for (let i = 0; i < given.length; i++) differing |= given.charCodeAt(i) ^ secret.charCodeAt(i);
  return differing === 0;
}
