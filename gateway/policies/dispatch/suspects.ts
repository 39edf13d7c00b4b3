import { hash } from 'node:crypto';
import { GatewayError } from '../../core/errors.ts';
import { Lease } from '../../core/lease.ts';
import type { Worker, WorkerLife } from '../../core/worker.ts';

const REMEMBER_MS = 600_000;
const MOST_BODIES = 1_000;
const MOST_LIVES = 100;
const TRIAL_RETRY_MS = 2_000;

/** What tells the lives of workers apart: the life itself, or the worker where its end was already known. */
type LifeKey = WorkerLife | Worker;

interface Taken {
  /** It was before a byte of the answer. */
  readonly silent: boolean;
  /** Whether that life turned out to go on, as known at a moment: a connection may end by itself. */
  readonly livesOn: (now: number) => boolean;
}

const ENDED: Taken['livesOn'] = () => false;

/** What is held against one body. */
interface Suspicion {
  /** The lives it took. */
  readonly lives: Map<LifeKey, Taken>;
  guilty: boolean;
  readonly atMs: number;
}

interface Trial {
  readonly key: string;
  calls: number;
}

/**
 * Bodies during which a worker died. One that has killed two is not fed to a third, nor to the first again when the client retries. A body
 * that shared both deaths with others is not known to be the one: A and B at one death, and A and B again at the next, tell nothing of
 * either; A alone at one of the two tells that it was A. Where the deaths came before its first byte, such bodies are sent again one at
 * a time, so that the next death tells; those that had an answer under way are sent as any other: it is load that ends workers so. One that
 * is answered is cleared. Costs nothing until the first death: only then are bodies hashed.
 */
export class Suspects {
  /** In order of the last death. */
  readonly #known = new Map<string, Suspicion>();
  /** How many bodies each life of a worker took with it, in the order of their ends. */
  readonly #crowds = new Map<LifeKey, number>();
  #trial: Trial | null = null;
  #lastDeathMs = -Infinity;

  /**
   * Before a body is sent.
   * @returns null for one that may go as any other, or a lease on the trial: to be released at its first byte, or when it has failed
   * @throws suspect when it is not to be sent again · worker_busy while another is being tried
   */
  enter(body: Buffer, now: number): Lease | null {
    if (this.#known.size === 0) return null;
    if (now - this.#lastDeathMs > REMEMBER_MS) {
      this.#known.clear();
      this.#crowds.clear();
      return null;
    }
    const key = digest(body);
    const record = this.#fresh(key, now);
    if (!record || !mayHaveKilled(record)) return null;
    if (this.#trial && this.#trial.key !== key) throw onTrial();
    const trial = (this.#trial ??= { key, calls: 0 });
    trial.calls += 1;
    return new Lease(() => {
      trial.calls -= 1;
      if (trial.calls === 0) this.#trial = null;
    });
  }

  /**
   * Records the end of a worker's life. A life ends once, however many calls with the same body it takes with it. `silent`: it had not sent a byte of the answer. `livesOn`: asked
   * later whether that was no end after all.
   */
  record(body: Buffer, life: LifeKey, silent: boolean, now: number, livesOn = ENDED): void {
    this.recordKey(digest(body), life, silent, now, livesOn);
  }

  /** What stands for a body whose worker may turn out to have ended. */
  keyOf(body: Buffer): string {
    return digest(body);
  }

  recordKey(key: string, life: LifeKey, silent: boolean, now: number, livesOn = ENDED): void {
    let { lives, guilty } = this.#fresh(key, now) ?? { lives: new Map<LifeKey, Taken>(), guilty: false };
    if (!lives.has(life)) {
      // Of the deaths before this one all is known; who shares this one the others may still have to say.
      guilty ||= this.#trial?.key === key || [...lives.keys()].some((earlier) => this.#crowds.get(earlier) === 1);
      lives.set(life, { silent, livesOn });
      this.#crowds.set(life, (this.#crowds.get(life) ?? 0) + 1);
    }
    // Deleted first, so that the map stays in order of the last death.
    this.#known.delete(key);
    this.#known.set(key, { lives, guilty, atMs: now });
    this.#lastDeathMs = now;
    this.#trim(now);
  }

  /**
   * After a death that has been recorded.
   * @returns whether the call may go on to another worker at once
   * @throws suspect when its body is the one
   */
  mayGoOn(body: Buffer, now: number): boolean {
    const record = this.#fresh(digest(body), now);
    return !record || !mayHaveKilled(record);
  }

  /** A worker has answered it to the end, and lives. */
  clear(body: Buffer): void {
    if (this.#known.size > 0) this.#known.delete(digest(body));
  }

  #fresh(key: string, now: number): Suspicion | null {
    const record = this.#known.get(key);
    if (!record || now - record.atMs > REMEMBER_MS) return null;
    for (const [life, { livesOn }] of record.lives) {
      if (!livesOn(now)) continue;
      record.lives.delete(life);
      this.#crowds.set(life, (this.#crowds.get(life) ?? 1) - 1);
    }
    if (record.lives.size < 2) record.guilty = false;
    if (record.lives.size > 0) return record;
    this.#known.delete(key);
    return null;
  }

  #trim(now: number): void {
    for (const [oldest, { atMs }] of this.#known) {
      if (this.#known.size <= MOST_BODIES && now - atMs <= REMEMBER_MS) break;
      this.#known.delete(oldest);
    }
    for (const life of this.#crowds.keys()) {
      if (this.#crowds.size <= MOST_LIVES) break;
      this.#crowds.delete(life);
    }
  }
}

/** @throws suspect when there is no doubt */
function mayHaveKilled({ lives, guilty }: Suspicion): boolean {
  if (guilty) {
    throw new GatewayError(
      'suspect',
      `Workers died or broke off while they served this request (${lives.size} times); it is not tried again.`,
    );
  }
  let silent = 0;
  for (const taken of lives.values()) if (taken.silent) silent += 1;
  return silent >= 2;
}

function onTrial(): GatewayError {
  const message =
    'Workers died while they served this request among others. Such requests are tried again one at a time, and another is being tried.';
  return new GatewayError('worker_busy', message, { retryAfterMs: TRIAL_RETRY_MS });
}

function digest(body: Buffer): string {
  return hash('sha256', body, 'base64');
}
