import { BlockPool } from './blocks.ts';
import { blockHash, type Sequence } from './sequence.ts';
import { type Step, StepInProgress } from './step.ts';

export interface SchedulerSettings {
  readonly maxNumSeqs: number;
  /** Tokens that one step may compute, prompts and decodes together. */
  readonly maxNumBatchedTokens: number;
  readonly numBlocks: number;
  /** Tokens a block. */
  readonly blockSize: number;
  readonly prefixCaching: boolean;
  readonly chunkedPrefill: boolean;
  /** Share of blocks that admission leaves free, 0..1. */
  readonly watermark: number;
  /** Whether what waits is ordered by priority before arrival (`--scheduling-policy priority`). Otherwise nobody reads a priority. */
  readonly byPriority: boolean;
}

/**
 * vLLM's continuous batching, without the GPU: each step serves what runs first, then admits what waits, in order, as long as the token
 * budget, the sequence limit and the KV blocks allow; when blocks run out the last running sequence, or the least urgent one, is thrown
 * back to recompute (vllm/v1/core/sched/scheduler.py).
 * No time passes here: `step` says what is computed, and the engine waits as long as that takes.
 */
export class Scheduler {
  readonly settings: SchedulerSettings;
  readonly pool: BlockPool;
  readonly #running: Sequence[] = [];
  readonly #waiting: Sequence[] = [];
  #arrivals = 0;
  #preemptions = 0;
  #prefixQueries = 0;
  #prefixHits = 0;

  constructor(settings: SchedulerSettings) {
    this.settings = settings;
    this.pool = new BlockPool(settings.numBlocks);
  }

  get running(): number {
    return this.#running.length;
  }
  get waiting(): number {
    return this.#waiting.length;
  }
  get preemptions(): number {
    return this.#preemptions;
  }
  /** Tokens looked up in the prefix cache, and tokens found there. */
  get prefixQueries(): number {
    return this.#prefixQueries;
  }
  get prefixHits(): number {
    return this.#prefixHits;
  }

  /** Puts a new sequence into the waiting queue, which has no bound: at its end, or behind all that are as urgent. */
  add(sequence: Sequence): void {
    sequence.state = 'waiting';
    sequence.arrival = this.#arrivals++;
    if (this.settings.byPriority) this.#insert(sequence);
    else this.#waiting.push(sequence);
  }

  #insert(sequence: Sequence): void {
    const at = this.#waiting.findIndex((other) => isBefore(sequence, other));
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, sequence);
  }

  /** Takes a sequence out, wherever it is, and frees its blocks. A second call does nothing. */
  finish(sequence: Sequence): void {
    if (sequence.state === 'finished') return;
    const list = sequence.state === 'running' ? this.#running : this.#waiting;
    const at = list.indexOf(sequence);
    if (at >= 0) list.splice(at, 1);
    this.#release(sequence);
    sequence.state = 'finished';
  }

  /** Adds a sampled token to a sequence that runs. */
  append(sequence: Sequence, token: number): void {
    sequence.tokens.push(token);
  }

  /** Plans one step and books its tokens and blocks. Without work the step is empty. */
  step(): Step {
    const work = new StepInProgress(this.settings.maxNumBatchedTokens);
    this.#serveRunning(work);
    if (work.preempted.length === 0) this.#admitWaiting(work);
    return work;
  }

  #serveRunning(work: StepInProgress): void {
    for (let at = 0; at < this.#running.length && work.budget > 0; at++) {
      const sequence = this.#running[at]!;
      const count = Math.min(sequence.tokens.length - sequence.computed, work.budget);
      if (count <= 0) continue;
      if (!this.#makeRoom(sequence, sequence.computed + count, work)) return;
      // Whoever was thrown back may have stood before it.
      if (work.preempted.length > 0) at = this.#running.indexOf(sequence);
      this.#compute(sequence, count, work);
    }
  }

  /** Gives `sequence` blocks for `length` tokens, throwing others back if it must. @returns false when `sequence` itself was thrown back */
  #makeRoom(sequence: Sequence, length: number, work: StepInProgress): boolean {
    const needed = this.#blocksFor(length) - sequence.blocks.length;
    while (this.pool.free < needed) {
      const victim = this.#victim();
      work.takeBack(victim);
      this.#release(victim);
      victim.state = 'waiting';
      victim.computed = 0;
      victim.preemptions++;
      if (this.settings.byPriority) this.#insert(victim);
      else this.#waiting.unshift(victim);
      this.#preemptions++;
      work.preempted.push(victim);
      if (victim === sequence) return false;
    }
    for (let i = 0; i < needed; i++) sequence.blocks.push(this.pool.take());
    return true;
  }

  /** Takes out the running sequence that can best wait. */
  #victim(): Sequence {
    if (!this.settings.byPriority) return this.#running.pop()!;
    const victim = this.#running.reduce((last, other) => (isBefore(last, other) ? other : last));
    this.#running.splice(this.#running.indexOf(victim), 1);
    return victim;
  }

  #admitWaiting(work: StepInProgress): void {
    const reserve = Math.ceil(this.settings.watermark * this.settings.numBlocks);
    while (work.budget > 0 && this.#waiting.length > 0 && this.#running.length < this.settings.maxNumSeqs) {
      const sequence = this.#waiting[0]!;
      const hit = this.#cachedPrefix(sequence);
      const todo = sequence.tokens.length - hit.length * this.settings.blockSize;
      if (!this.settings.chunkedPrefill && todo > work.budget) return;
      // The whole prompt must fit, although only a part of it may be computed in this step.
      const revived = hit.filter((block) => this.pool.isFree(block)).length;
      if (this.#blocksFor(sequence.tokens.length) - hit.length + revived > this.pool.free - reserve) return;
      this.#waiting.shift();
      for (const block of hit) {
        this.pool.share(block);
        sequence.blocks.push(block);
      }
      sequence.computed = hit.length * this.settings.blockSize;
      if (sequence.preemptions === 0) {
        sequence.cached = sequence.computed;
        if (this.settings.prefixCaching && !sequence.skipsCache) this.#prefixQueries += sequence.tokens.length;
        this.#prefixHits += sequence.computed;
      }
      const count = Math.min(todo, work.budget);
      const missing = this.#blocksFor(sequence.computed + count) - sequence.blocks.length;
      for (let i = 0; i < missing; i++) sequence.blocks.push(this.pool.take());
      sequence.state = 'running';
      this.#running.push(sequence);
      work.admitted.push(sequence);
      this.#compute(sequence, count, work);
    }
  }

  #compute(sequence: Sequence, count: number, work: StepInProgress): void {
    const decoding = sequence.computed === sequence.tokens.length - 1 && sequence.tokens.length > sequence.promptLength;
    work.add(sequence, { tokens: count, context: sequence.computed + count, decoding });
    const before = Math.floor(sequence.computed / this.settings.blockSize);
    sequence.computed += count;
    if (this.settings.prefixCaching) {
      const full = Math.floor(sequence.computed / this.settings.blockSize);
      for (let i = before; i < full; i++) this.pool.remember(sequence.blocks[i]!, blockHash(sequence, i, this.settings.blockSize));
    }
    if (sequence.computed === sequence.tokens.length) work.sampled.push(sequence);
  }

  /** The leading blocks that the cache has. At least one token is always left to compute. */
  #cachedPrefix(sequence: Sequence): number[] {
    const hit: number[] = [];
    if (!this.settings.prefixCaching || sequence.skipsCache) return hit;
    const usable = Math.floor((sequence.tokens.length - 1) / this.settings.blockSize);
    for (let i = 0; i < usable; i++) {
      const block = this.pool.find(blockHash(sequence, i, this.settings.blockSize));
      if (block === undefined) break;
      hit.push(block);
    }
    return hit;
  }

  #blocksFor(length: number): number {
    return Math.ceil(length / this.settings.blockSize);
  }

  /** Last block first, so that the start of a prompt stays cached longest. */
  #release(sequence: Sequence): void {
    for (let i = sequence.blocks.length - 1; i >= 0; i--) this.pool.release(sequence.blocks[i]!);
    sequence.blocks.length = 0;
  }
}

function isBefore(a: Sequence, b: Sequence): boolean {
  return a.priority === b.priority ? a.arrival < b.arrival : a.priority < b.priority;
}
