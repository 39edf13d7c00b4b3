import { setImmediate as soon } from 'node:timers';
import type { Choice } from './choice.ts';
import type { Job } from './job.ts';
import { Gauges } from './gauges.ts';
import { JobsInHand } from './in-hand.ts';
import { EngineMetrics } from './metrics.ts';
import { Scheduler } from './scheduler.ts';
import type { SchedulerSettings } from './scheduler.ts';
import type { Sequence } from './sequence.ts';
import type { Step } from './step.ts';
import { StepClock } from './step-clock.ts';
import { stepMs } from './step-time.ts';
import type { StepCost } from './step-time.ts';

interface EngineSettings extends SchedulerSettings {
  readonly maxModelLen: number;
  readonly cost: StepCost;
  /** Factor on every duration; 0 waits for nothing. */
  readonly speed: number;
  readonly countEstimates: boolean;
  /** Whether the card has `gib` of room beyond what the start planned for. */
  hasRoom(gib: number): boolean;
  /** A request needed `gib`, which was not there: the engine core is to die of that. */
  onOutOfMemory(gib: number): void;
}

/** Runs the scheduler against the clock: a step is planned, takes its time, and then every sequence in it gets its token at once. */
export class Engine {
  readonly scheduler: Scheduler;
  readonly metrics: EngineMetrics;
  readonly gauges = new Gauges();
  readonly settings: EngineSettings;
  readonly #jobs = new JobsInHand();
  readonly #clock: StepClock;
  #stepping = false;
  #dead = false;
  #sleepLevel: 0 | 1 | 2 = 0;
  #rejecting = false;
  /** The weights are not there: every token is the same. */
  garbled = false;
  /** Factor on the time of every step. */
  slowdown = 1;
  #tokenAlarms: { readonly at: number; readonly fn: () => void }[] = [];

  constructor(settings: EngineSettings) {
    this.settings = settings;
    this.scheduler = new Scheduler(settings);
    this.metrics = new EngineMetrics(settings.maxModelLen);
    this.#clock = new StepClock(settings.speed);
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Sequences that have not ended, and the prompts of those that have no token yet. */
  get load(): { readonly unfinished: number; readonly prefillTokens: number } {
    const choices = this.#jobs.all().flatMap((job) => job.choices.filter((choice) => choice.finishReason === null));
    const reading = choices.filter((choice) => choice.firstTokenAt === 0);
    return { unfinished: choices.length, prefillTokens: reading.reduce((sum, choice) => sum + choice.sequence.promptLength, 0) };
  }

  /** Queues a request. On a dead engine it fails at once; in a drain it is turned away. */
  submit(job: Job): void {
    if (this.#dead) return job.onFailure('engine-dead');
    if (this.#rejecting) {
      for (const choice of job.choices) choice.turnAway();
      return job.onOutput();
    }
    this.#jobs.take(job);
    for (const choice of job.choices) this.scheduler.add(choice.sequence);
    this.#wake(true);
  }

  /** Forgets a request whose client has gone; its blocks are free at once. Not counted as finished, as in vLLM. */
  drop(job: Job): void {
    if (!this.#jobs.letGo(job)) return;
    for (const choice of job.choices) this.#remove(choice);
    this.#emptyStep();
  }

  /** Ends a request with `finish_reason: "abort"`. */
  abort(job: Job): void {
    if (!this.#jobs.has(job)) return;
    const now = performance.now();
    for (const choice of job.choices) {
      if (choice.finishReason !== null) continue;
      choice.abort();
      this.#end(choice, 'abort', now);
    }
    this.#settle(job);
    this.#emptyStep();
    job.onOutput();
  }

  abortAll(): void {
    for (const job of this.#jobs.all()) this.abort(job);
  }

  /** Fails one request the way a fault inside the engine does. */
  fail(job: Job): void {
    if (!this.#jobs.letGo(job)) return;
    for (const choice of job.choices) {
      if (choice.finishReason === null) this.metrics.finished.error++;
      this.#remove(choice);
    }
    job.onFailure('request-error');
    this.#emptyStep();
  }

  /** The engine is gone: every request fails, now and from now on. */
  die(): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#clock.stop();
    const jobs = this.#jobs.all();
    for (const job of jobs) {
      this.#jobs.letGo(job);
      for (const choice of job.choices) this.#remove(choice);
    }
    for (const job of jobs) job.onFailure('engine-dead');
  }

  /** While hung, no step ends. */
  set hung(hung: boolean) {
    this.#clock.hung = hung;
  }

  /** While asleep, no step begins. */
  set sleepLevel(level: 0 | 1 | 2) {
    this.#sleepLevel = level;
    if (level === 0) this.#wake(true);
  }
  /** 0 awake, 1 weights offloaded, 2 weights discarded. */
  get sleepLevel(): 0 | 1 | 2 {
    return this.#sleepLevel;
  }

  /** From now on new requests are answered with nothing; resolves when those in flight have ended. */
  drain(): Promise<void> {
    this.#rejecting = true;
    return this.idle();
  }

  /** Resolves when nothing is in flight. */
  idle(): Promise<void> {
    return this.#jobs.idle();
  }

  /** Calls `fn` when `count` more tokens have been generated, at the end of that step; at once for 0. */
  afterTokens(count: number, fn: () => void): void {
    if (count <= 0) fn();
    else this.#tokenAlarms.push({ at: this.metrics.generationTokens + count, fn });
  }

  /** Begins a step if there is work. After a pause the time starts anew; otherwise the step follows on the last one's due time. */
  #wake(paused: boolean): void {
    if (this.#stepping || this.#dead || this.#sleepLevel > 0) return;
    if (this.scheduler.running + this.scheduler.waiting === 0) return;
    if (paused) this.#clock.restart();
    this.#stepping = true;
    // Not at once: requests that arrive in the same turn of the loop join the same step.
    soon(() => this.#beginStep());
  }

  #beginStep(): void {
    if (this.#dead) return;
    const step = this.scheduler.step();
    const now = performance.now();
    for (const sequence of step.admitted) {
      const choice = this.#jobs.ownerOf(sequence)?.choice;
      if (choice !== undefined && choice.scheduledAt === 0) choice.scheduledAt = now;
      this.#allocate(sequence);
    }
    if (step.prefillTokens + step.decodeTokens === 0) {
      // Nothing but a preemption: the next step admits again what was thrown back.
      if (step.preempted.length > 0) return void soon(() => this.#beginStep());
      this.#stepping = false;
      return this.#emptyStep();
    }
    const duration = stepMs(this.settings.cost, step) * this.settings.speed * this.slowdown;
    this.#clock.run(duration, () => this.#endStep(step));
  }

  /** A request that asks for more memory than there is kills the engine core; no step ends any more. */
  #allocate(sequence: Sequence): void {
    const gib = this.#jobs.ownerOf(sequence)?.job.unplannedGib ?? 0;
    if (gib === 0 || this.#clock.hung || this.settings.hasRoom(gib)) return;
    this.#clock.hung = true;
    this.settings.onOutOfMemory(gib);
  }

  #endStep(step: Step): void {
    if (this.#dead) return;
    this.gauges.move(this.scheduler, this.#giveTokens(step));
    this.#stepping = false;
    this.#wake(false);
  }

  /** What vLLM's scheduler does after requests have been taken from it, unless a step is under way anyway. */
  #emptyStep(): void {
    if (!this.#stepping && !this.#clock.hung) this.gauges.move(this.scheduler, 0);
  }

  /** @returns how many requests got a token */
  #giveTokens(step: Step): number {
    const now = performance.now();
    const touched = new Set<Job>();
    let sampled = 0;
    for (const sequence of step.sampled) {
      const owner = this.#jobs.ownerOf(sequence);
      // The sequence went while the step ran: its client left, or it was aborted.
      if (owner === undefined || sequence.state !== 'running') continue;
      this.#giveToken(owner.choice, now);
      if (owner.choice.generated > 0) sampled++;
      touched.add(owner.job);
    }
    this.metrics.iterationTokens.observe(step.prefillTokens + sampled);
    if (this.settings.countEstimates) this.metrics.countEstimates(step, this.settings.cost);
    for (const job of touched) {
      this.#settle(job);
      job.onOutput();
    }
    const due = this.#tokenAlarms.filter((alarm) => alarm.at <= this.metrics.generationTokens);
    this.#tokenAlarms = this.#tokenAlarms.filter((alarm) => !due.includes(alarm));
    for (const alarm of due) alarm.fn();
    return touched.size;
  }

  #giveToken(choice: Choice, now: number): void {
    const { sequence } = choice;
    const first = choice.firstTokenAt === 0;
    if (first) this.metrics.onFirstToken(choice, now);
    else this.metrics.onLaterToken(choice, now);
    if (first) choice.firstTokenAt = now;
    choice.lastTokenAt = now;
    if (choice.settings.maxTokens === 0) choice.finishReason = 'stop';
    else {
      const token = choice.advance(this.settings.maxModelLen - sequence.tokens.length, this.garbled);
      this.scheduler.append(sequence, token.id);
      this.metrics.generationTokens++;
    }
    if (choice.finishReason !== null) this.#end(choice, choice.finishReason, now);
  }

  #end(choice: Choice, reason: 'stop' | 'length' | 'abort', now: number): void {
    this.metrics.onFinished(choice, reason, now);
    this.#remove(choice);
  }

  #remove(choice: Choice): void {
    this.scheduler.finish(choice.sequence);
    this.#jobs.forget(choice.sequence);
  }

  #settle(job: Job): void {
    if (!this.#jobs.has(job) || job.choices.some((choice) => choice.finishReason === null)) return;
    this.#jobs.letGo(job);
    this.metrics.onRequestFinished(job.choices.length, Math.max(...job.choices.map((choice) => choice.generated)));
  }
}
