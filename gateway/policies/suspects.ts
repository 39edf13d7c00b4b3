import { hash } from 'node:crypto';

const REMEMBER_MS = 600_000;
const MOST = 1_000;
/** Workers that may die of the same body before it is refused. */
export const DEATHS_ALLOWED = 2;

/**
 * Bodies during which a worker died. One that has killed two is not fed to a third, nor to the first again when the client retries.
 * A worker dies once, however many calls with the same body it takes with it. Costs nothing until the first death: only then are bodies
 * hashed.
 */
export class Suspects {
  readonly #deaths = new Map<string, { readonly lives: Set<string>; readonly atMs: number }>();

  /** Records the death of a worker: `life` tells its lives apart, before a restart and after. @returns how many there have been. */
  record(body: Buffer, life: string, now: number): number {
    const key = digest(body);
    const known = this.#deaths.get(key);
    const lives = known && now - known.atMs <= REMEMBER_MS ? known.lives : new Set<string>();
    lives.add(life);
    // Deleted first, so that the map stays in order of the last death.
    this.#deaths.delete(key);
    this.#deaths.set(key, { lives, atMs: now });
    for (const [oldest, { atMs }] of this.#deaths) {
      if (this.#deaths.size <= MOST && now - atMs <= REMEMBER_MS) break;
      this.#deaths.delete(oldest);
    }
    return lives.size;
  }

  condemned(body: Buffer, now: number): boolean {
    if (this.#deaths.size === 0) return false;
    const entry = this.#deaths.get(digest(body));
    return entry !== undefined && entry.lives.size >= DEATHS_ALLOWED && now - entry.atMs <= REMEMBER_MS;
  }
}

function digest(body: Buffer): string {
  return hash('sha256', body, 'base64');
}
