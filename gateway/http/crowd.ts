import type { Socket } from 'node:net';
import { GatewayError } from '../core/errors.ts';

/** How many connections of clients there may be. */
export interface CrowdLimits {
  readonly most: number;
  /** Beyond those: connections whose calls are refused, while whoever asks how the gateway does is answered. */
  readonly spare: number;
}

/** Files that the process itself has open or may want: log, listeners, control socket, settings, name look-ups. */
const OWN_FILES = 64;
/** Sockets to a worker for each call that runs there: one that is closing, or rests, has its successor already. */
const WORKER_SHARE = 1.25;
const LEAST = 8;
/** From this share on a client's connection is closed after each answer, so that those that rest in one make room. */
const TIGHT = 0.75;

/**
 * The connections that clients may have, of so many files that the process may open (null: no limit). Set aside are those to workers, as
 * many as calls can run there, but no more than half of all.
 */
export function crowdLimits(openFiles: number | null, toWorkers: number): CrowdLimits {
  if (openFiles === null) return { most: Infinity, spare: 0 };
  const spare = Math.max(LEAST, Math.min(256, Math.floor(openFiles / 8)));
  const forWorkers = Math.min(Math.ceil(toWorkers * WORKER_SHARE), Math.floor(openFiles / 2));
  const left = openFiles - OWN_FILES - spare - forWorkers;
  return { most: Math.max(LEAST, left), spare };
}

/**
 * The connections of clients, kept to so many that descriptors are left for those to workers: a gateway that runs out of them can serve
 * nobody, and takes its workers for dead.
 */
export class Crowd {
  readonly #limits: () => CrowdLimits;
  readonly #onFull: (most: number) => void;
  /** In the order of their coming. */
  readonly #surplus = new Set<Socket>();
  #size = 0;
  #tightFrom = Infinity;

  /** @param onFull told each time that a connection comes for which there is no room */
  constructor(limits: () => CrowdLimits, onFull: (most: number) => void) {
    this.#limits = limits;
    this.#onFull = onFull;
  }

  get size(): number {
    return this.#size;
  }

  /** Connections are to be closed after their answer. */
  get isTight(): boolean {
    return this.#size > this.#tightFrom;
  }

  /**
   * Counts a new connection until it closes. One too many is marked; where there are too many of those, the one that came first has had
   * its time, so that a probe, which asks at once, gets its answer whatever the crowd.
   */
  enter(socket: Socket): void {
    const { most, spare } = this.#limits();
    this.#tightFrom = most * TIGHT;
    this.#size++;
    if (this.#size > most) {
      this.#onFull(most);
      for (const first of this.#surplus) {
        if (this.#surplus.size < spare) break;
        this.#surplus.delete(first);
        first.destroy();
      }
      this.#surplus.add(socket);
    }
    socket.once('close', () => {
      this.#size--;
      this.#surplus.delete(socket);
    });
  }

  /** @throws queue_full for a call on a connection that is one too many */
  check(socket: Socket): void {
    if (!this.#surplus.has(socket)) return;
    throw new GatewayError('queue_full', 'Too many clients are connected. Retry shortly.', { retryAfterMs: 2_000, close: true });
  }
}
