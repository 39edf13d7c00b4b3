import type { Prefix } from '../../core/call.ts';
import type { Worker, WorkerLife } from '../../core/worker.ts';
import { BYTES_A_BLOCK, HeldBlocks } from './held-blocks.ts';

/** What all workers' blocks may take together, in this process. */
const MOST_BYTES = 64 * 2 ** 20;
/** Of a worker of which nobody knows how much its cache holds: two million tokens. */
const USUAL_BLOCKS = 31_250;
/** A cache has room for at least one prompt. */
const LEAST_BLOCKS = 64;
/** Fewer than most text has, so that what is in the cache is not forgotten; what is believed beyond that costs little. */
const TOKENS_A_BLOCK = 48;

/** What this process has sent to one life of a worker. */
interface Sent {
  readonly life: WorkerLife;
  readonly blocks: HeldBlocks;
  /** Blocks of prompts that it has to read before anything of their answers comes. */
  unread: number;
}

/**
 * Which worker has how much of a prompt in its prefix cache, as far as that follows from what it was sent: a tree of prompts, as vLLM's own
 * cache is one, kept as a table of blocks for each worker. No larger than the worker's cache, where its size is known, so that it does not
 * believe in what has been evicted there; what other gateways and processes send evicts, too, and is not seen. To believe too much costs
 * little: the call goes to a worker that has no less to read than any other.
 */
export class PrefixTree {
  readonly #byWorker = new Map<string, Sent>();
  readonly #workers: () => readonly Worker[];
  readonly #mostBytes: number;

  constructor(workers: () => readonly Worker[], mostBytes = MOST_BYTES) {
    this.#workers = workers;
    this.#mostBytes = mostBytes;
  }

  get figures(): { readonly blocks: number; readonly bytes: number } {
    let blocks = 0;
    let bytes = 0;
    for (const sent of this.#byWorker.values()) {
      blocks += sent.blocks.size;
      bytes += sent.blocks.bytes;
    }
    return { blocks, bytes };
  }

  /** How many blocks of the prompt the worker has, from its first on. */
  matched(worker: Worker, prefix: Prefix): number {
    return this.#of(worker)?.blocks.matched(prefix.blocks) ?? 0;
  }

  /** Blocks of prompts that the worker has to read yet, of calls of this process. */
  unread(worker: Worker): number {
    return this.#of(worker)?.unread ?? 0;
  }

  /** The worker is sent this prompt. */
  hold(worker: Worker, blocks: readonly number[]): void {
    const { life, id } = worker;
    if (life === null) return;
    const most = this.#mostFor(worker);
    let sent = this.#of(worker);
    if (sent === null) {
      sent = { life, blocks: new HeldBlocks(most), unread: 0 };
      this.#byWorker.set(id, sent);
    }
    sent.blocks.limit(most);
    sent.blocks.hold(blocks);
  }

  /** The worker has so many blocks to read. @returns to be called when it has begun to answer, or never will; further times do nothing */
  reading(worker: Worker, blocks: number): () => void {
    const sent = this.#of(worker);
    if (sent === null) return () => {};
    sent.unread += blocks;
    let isOver = false;
    return () => {
      if (!isOver) sent.unread -= blocks;
      isOver = true;
    };
  }

  /** Forgets what was sent to lives that have ended: their caches are empty. */
  forgetEnded(): void {
    if (this.#byWorker.size === 0) return;
    const lives = new Map(this.#workers().map(({ id, life }) => [id, life]));
    for (const [id, { life }] of this.#byWorker) if (lives.get(id) !== life) this.#byWorker.delete(id);
    this.#share();
  }

  clear(): void {
    this.#byWorker.clear();
  }

  #of({ id, life }: Worker): Sent | null {
    const sent = this.#byWorker.get(id);
    return sent !== undefined && sent.life === life ? sent : null;
  }

  /** Where there are more workers than before, each has less of the room. */
  #share(): void {
    for (const worker of this.#workers()) this.#of(worker)?.blocks.limit(this.#mostFor(worker));
  }

  #mostFor({ load }: Worker): number {
    const room = Math.floor(this.#mostBytes / BYTES_A_BLOCK / Math.max(1, this.#workers().length));
    const known = load.kvCacheTokens ?? null;
    return Math.min(room, known === null ? USUAL_BLOCKS : Math.max(LEAST_BLOCKS, Math.floor(known / TOKENS_A_BLOCK)));
  }
}
