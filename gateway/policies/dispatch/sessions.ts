import { hash } from 'node:crypto';
import type { Call } from '../../core/call.ts';
import type { Clock, Timer } from '../../core/clock.ts';
import type { SessionEnd, SessionFigures } from '../../core/events.ts';
import { nameOf } from '../../core/principal.ts';
import type { Worker, WorkerLife } from '../../core/worker.ts';

export interface SessionSettings {
  /** Milliseconds after the end of its last call. */
  readonly idle_ms: number;
  readonly max_entries: number;
}

/** A conversation, and the life of a worker whose cache has it. */
export interface Session {
  readonly key: string;
  worker: Worker;
  life: WorkerLife;
  /** Calls of it under way. */
  running: number;
  /** Monotonic ms at which its last call ended, or its first one began. */
  usedAt: number;
  /** It is in the table. */
  isKept: boolean;
}

interface SessionsContext {
  readonly clock: Clock;
  /** null: conversations are not kept. */
  readonly settings: () => SessionSettings | null;
  readonly workers: () => readonly Worker[];
  readonly onEnded: (reason: SessionEnd, count: number) => void;
}

/** Idle ones are looked for at most so often. */
const LEAST_PAUSE_MS = 1_000;

/**
 * At which worker each conversation was last: the one whose prefix cache has all of it but its newest message. When a call goes elsewhere
 * the conversation goes with it. From then on that worker has the longest prefix, and the one that was left has what is older, in a cache
 * that was under pressure or behind a line; to go back and forth would have both compute every turn twice.
 * What is not in here goes by its hash (load-balancer.ts), so that several processes agree on it until it has moved.
 */
export class Sessions {
  readonly #context: SessionsContext;
  /** In the order of `usedAt`. */
  readonly #table = new Map<string, Session>();
  /** How many each life has. */
  readonly #lives = new Map<WorkerLife, number>();
  #timer: Timer | null = null;
  #kept = 0;
  #moved = 0;

  constructor(context: SessionsContext) {
    this.#context = context;
  }

  get figures(): SessionFigures {
    const byWorker = new Map<string, number>();
    for (const { worker } of this.#table.values()) byWorker.set(worker.id, (byWorker.get(worker.id) ?? 0) + 1);
    return { active: this.#table.size, byWorker, kept: this.#kept, moved: this.#moved };
  }

  /**
   * What stands for the conversation of a call, of which the client's own name for it cannot be read; the same in every process. null: it
   * belongs to none, or there is no choice of workers. Whoever has no key is one owner: a shared name shares a worker, and nothing else.
   */
  keyOf({ sessionId, principal, model }: Call): string | null {
    if (sessionId === null || this.#context.settings() === null || this.#context.workers().length < 2) return null;
    return hash('sha256', `${nameOf(principal) ?? ''}\n${model}\n${sessionId}`, 'hex');
  }

  /** The conversation as it is known; null: it is not. `now`: monotonic ms */
  find(key: string, now: number): Session | null {
    const session = this.#table.get(key);
    if (session === undefined) return null;
    const settings = this.#context.settings();
    const reason = session.worker.life !== session.life ? 'worker_gone' : settings && isIdle(session, settings, now) ? 'idle' : null;
    if (reason === null) return session;
    this.#remove(session);
    this.#context.onEnded(reason, 1);
    return null;
  }

  /** A call goes to `worker`, of a conversation as it was just found. null: that worker has no life that could have it. */
  place(key: string, known: Session | null, worker: Worker, now: number): Session | null {
    const settings = this.#context.settings();
    const { life } = worker;
    if (settings === null || life === null) return null;
    if (known === null) return this.#add({ key, worker, life, running: 0, usedAt: now, isKept: true }, settings);
    if (known.life === life) this.#kept++;
    else {
      this.#moved++;
      this.#count(known.life, -1);
      this.#count(life, 1);
      known.worker = worker;
      known.life = life;
    }
    return known;
  }

  begin(session: Session): void {
    session.running++;
  }

  end(session: Session, now: number): void {
    session.running--;
    session.usedAt = now;
    if (!session.isKept) return;
    this.#table.delete(session.key);
    this.#table.set(session.key, session);
  }

  /** Forgets those of lives that have ended. */
  forgetEnded(): void {
    if (this.#table.size === 0) return;
    const present = new Set(this.#context.workers().map(({ life }) => life));
    for (const life of this.#lives.keys()) {
      if (!present.has(life)) return this.#endAll('worker_gone', (session) => !present.has(session.life));
    }
  }

  /** Takes over new settings. */
  configure(): void {
    const settings = this.#context.settings();
    if (settings === null) return this.#endAll('off', () => true);
    let surplus = this.#table.size - settings.max_entries;
    if (surplus > 0) this.#endAll('full', () => surplus-- > 0);
    this.#look();
  }

  close(): void {
    this.#timer?.cancel();
  }

  #add(session: Session, { idle_ms: idleMs, max_entries: most }: SessionSettings): Session {
    if (this.#table.size >= most) {
      this.#remove(this.#leastUsed());
      this.#context.onEnded('full', 1);
    }
    this.#table.set(session.key, session);
    this.#count(session.life, 1);
    this.#timer ??= this.#context.clock.after(Math.max(LEAST_PAUSE_MS, idleMs), () => this.#look());
    return session;
  }

  /** Of a table that is not empty. Those with calls under way, of which there are no more than places at the workers, come last. */
  #leastUsed(): Session {
    for (const session of this.#table.values()) if (session.running === 0) return session;
    return this.#table.values().next().value!;
  }

  /** Ends those that are idle, and plans the next look for when the first of the others may be. */
  #look(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const { clock, settings, onEnded } = this.#context;
    const now = clock.now();
    const inForce = settings();
    if (inForce === null) return;
    let ended = 0;
    for (const session of this.#table.values()) {
      if (now - session.usedAt < inForce.idle_ms) break;
      if (!isIdle(session, inForce, now)) continue;
      this.#remove(session);
      ended++;
    }
    if (ended > 0) onEnded('idle', ended);
    const first = this.#table.values().next().value;
    if (first === undefined) return;
    this.#timer = clock.after(Math.max(LEAST_PAUSE_MS, first.usedAt + inForce.idle_ms - now), () => this.#look());
  }

  #endAll(reason: SessionEnd, isMeant: (session: Session) => boolean): void {
    const before = this.#table.size;
    for (const session of this.#table.values()) if (isMeant(session)) this.#remove(session);
    if (before > this.#table.size) this.#context.onEnded(reason, before - this.#table.size);
  }

  #remove(session: Session): void {
    session.isKept = false;
    this.#table.delete(session.key);
    this.#count(session.life, -1);
    if (this.#table.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #count(life: WorkerLife, change: 1 | -1): void {
    const count = (this.#lives.get(life) ?? 0) + change;
    if (count > 0) this.#lives.set(life, count);
    else this.#lives.delete(life);
  }
}

function isIdle({ running, usedAt }: Session, { idle_ms: idleMs }: SessionSettings, now: number): boolean {
  return running === 0 && now - usedAt >= idleMs;
}
