import { Scheduler } from '../../../supervisor/sim/engine/scheduler.ts';
import { blockHash, newSequence, type Sequence } from '../../../supervisor/sim/engine/sequence.ts';
import { type StepCost, stepMs } from '../../../supervisor/sim/engine/step-time.ts';
import type { Agenda } from './agenda.ts';

const BLOCK_SIZE = 16;

/** What is told of a request as it goes on. */
export interface Told {
  readonly onFirstToken: () => void;
  readonly onEnd: () => void;
}

interface Running extends Told {
  readonly sequence: Sequence;
  readonly answer: readonly number[];
  said: number;
}

/** The simulated engine's own scheduler, cache and step times, in a time that passes as fast as it can be worked out. */
export class VirtualEngine {
  readonly scheduler: Scheduler;
  /** Tokens of prompts that it has computed. */
  prefilled = 0;
  readonly #agenda: Agenda;
  readonly #cost: StepCost;
  readonly #running = new Map<Sequence, Running>();
  /** Blocks that requests under way have, or will have, by how many. */
  readonly #underway = new Map<number, number>();
  #isStepping = false;

  constructor(agenda: Agenda, cost: StepCost, seats: number, kvTokens: number) {
    this.#agenda = agenda;
    this.#cost = cost;
    this.scheduler = new Scheduler({
      maxNumSeqs: seats,
      maxNumBatchedTokens: 2_048,
      numBlocks: Math.floor(kvTokens / BLOCK_SIZE),
      blockSize: BLOCK_SIZE,
      prefixCaching: true,
      chunkedPrefill: true,
      watermark: 0,
      byPriority: false,
    });
  }

  submit(prompt: readonly number[], answer: readonly number[], told: Told): void {
    const sequence = newSequence(prompt);
    this.#running.set(sequence, { ...told, sequence, answer, said: 0 });
    this.#count(sequence, 1);
    this.scheduler.add(sequence);
    this.#step();
  }

  /** How many tokens of a prompt its cache has, or will have by then, from the first on. */
  has(prompt: readonly number[]): number {
    const looked = newSequence(prompt);
    const usable = Math.floor((prompt.length - 1) / BLOCK_SIZE);
    let blocks = 0;
    for (; blocks < usable; blocks++) {
      const hash = blockHash(looked, blocks, BLOCK_SIZE);
      if (this.scheduler.pool.find(hash) === undefined && !this.#underway.has(hash)) break;
    }
    return blocks * BLOCK_SIZE;
  }

  #step(): void {
    if (this.#isStepping || this.#running.size === 0) return;
    const step = this.scheduler.step();
    if (step.prefillTokens + step.decodeTokens === 0) {
      if (step.preempted.length === 0) throw new Error('an engine has work and does none of it');
      this.#agenda.after(0, () => this.#step());
      return;
    }
    this.prefilled += step.prefillTokens;
    this.#isStepping = true;
    this.#agenda.after(stepMs(this.#cost, step), () => {
      this.#isStepping = false;
      for (const sequence of step.sampled) if (sequence.state === 'running') this.#say(this.#running.get(sequence)!);
      this.#step();
    });
  }

  #say(running: Running): void {
    const { sequence, answer } = running;
    if (running.said === 0) running.onFirstToken();
    this.scheduler.append(sequence, answer[running.said++]!);
    if (running.said < answer.length) return;
    this.#running.delete(sequence);
    this.#count(sequence, -1);
    this.scheduler.finish(sequence);
    running.onEnd();
  }

  #count(sequence: Sequence, change: 1 | -1): void {
    for (let i = 0; i < Math.floor(sequence.promptLength / BLOCK_SIZE); i++) {
      const hash = blockHash(sequence, i, BLOCK_SIZE);
      const count = (this.#underway.get(hash) ?? 0) + change;
      if (count > 0) this.#underway.set(hash, count);
      else this.#underway.delete(hash);
    }
  }
}
