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

/**
 * What the end of a life says against a body that it took · none: that life goes on, or somebody has told its worker to stop · weak: it may
 * have been killed by somebody · strong: the worker died by itself
 */
export type Witness = 'none' | 'weak' | 'strong';

interface Taken {
  /** It was before a byte of the answer. */
  readonly silent: boolean;
  /** The body had it to itself, as far as is known: it was being tried, or by the next death nobody else had said that he shared it. */
  isOwn: boolean;
  /** As known at a moment: a connection may end by itself, and how a worker ended is heard of later. */
  readonly witness: (now: number) => Witness;
}

const ENDED: Taken['witness'] = () => 'strong';
/** So many weak witnesses of deaths that a body had to itself are as good as a strong one. */
const WEAK_ENOUGH = 3;

/** What is held against one body. */
interface Suspicion {
  /** The lives it took. */
  readonly lives: Map<LifeKey, Taken>;
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
 * is answered is cleared. Of workers that somebody may have killed three such deaths have to tell, since whoever kills engines hits those
 * that are tried alone as well. Costs nothing until the first death: only then are bodies hashed.
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
    if (!record || !this.#mayHaveKilled(record, now)) return null;
    if (this.#trial && this.#trial.key !== key) throw onTrial();
    const trial = (this.#trial ??= { key, calls: 0 });
    trial.calls += 1;
    return new Lease(() => {
      trial.calls -= 1;
      if (trial.calls === 0) this.#trial = null;
    });
  }

  /**
   * Records the end of a worker's life. A life ends once, however many calls with the same body it takes with it. `silent`: it had not sent a byte of the answer. `witness`: asked
   * later what that end says.
   */
  record(body: Buffer, life: LifeKey, silent: boolean, now: number, witness = ENDED): void {
    this.recordKey(digest(body), life, silent, now, witness);
  }

  /** What stands for a body whose worker may turn out to have ended. */
  keyOf(body: Buffer): string {
    return digest(body);
  }

  recordKey(key: string, life: LifeKey, silent: boolean, now: number, witness = ENDED): void {
    const lives = this.#fresh(key, now)?.lives ?? new Map<LifeKey, Taken>();
    if (!lives.has(life)) {
      // Of the deaths before this one all is known; who shares this one the others may still have to say.
      for (const [earlier, taken] of lives) taken.isOwn ||= this.#crowds.get(earlier) === 1;
      lives.set(life, { silent, isOwn: this.#trial?.key === key, witness });
      this.#crowds.set(life, (this.#crowds.get(life) ?? 0) + 1);
    }
    // Deleted first, so that the map stays in order of the last death.
    this.#known.delete(key);
    this.#known.set(key, { lives, atMs: now });
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
    return !record || !this.#mayHaveKilled(record, now);
  }

  /** A worker has answered it to the end, and lives. */
  clear(body: Buffer): void {
    if (this.#known.size > 0) this.#known.delete(digest(body));
  }

  #fresh(key: string, now: number): Suspicion | null {
    const record = this.#known.get(key);
    if (!record || now - record.atMs > REMEMBER_MS) return null;
    for (const [life, { witness }] of record.lives) {
      if (witness(now) !== 'none') continue;
      record.lives.delete(life);
      this.#crowds.set(life, (this.#crowds.get(life) ?? 1) - 1);
    }
    if (record.lives.size > 0) return record;
    this.#known.delete(key);
    return null;
  }

  /** Whether it is to be tried alone. @throws suspect when there is no doubt */
  #mayHaveKilled({ lives }: Suspicion, now: number): boolean {
    if (lives.size < 2) return false;
    let [silent, weak, strong] = [0, 0, 0];
    for (const taken of lives.values()) {
      if (taken.silent) silent += 1;
      if (!taken.isOwn) continue;
      if (taken.witness(now) === 'strong') strong += 1;
      else weak += 1;
    }
    if (strong > 0 || weak >= WEAK_ENOUGH) {
      throw new GatewayError(
        'suspect',
        `Workers died or broke off while they served this request (${lives.size} times); it is not tried again.`,
      );
    }
    return silent >= 2 || weak > 0;
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

function onTrial(): GatewayError {
  const message =
    'Workers died while they served this request among others. Such requests are tried again one at a time, and another is being tried.';
  return new GatewayError('worker_busy', message, { retryAfterMs: TRIAL_RETRY_MS, onlyThis: true });
}

function digest(body: Buffer): string {
  return hash('sha256', body, 'base64');
}
