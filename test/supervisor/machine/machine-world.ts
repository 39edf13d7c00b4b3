import type { Failure } from '../../../supervisor/failure/failure.ts';
import type { RetryRule } from '../../../supervisor/failure/row.ts';
import type { FailureClass } from '../../../supervisor/failure/table.ts';
import type { LadderLimits, Setup, Wanted } from '../../../supervisor/ladder/step.ts';
import type { Beat } from '../../../gateway/vllm/beat.ts';
import type { Effect, Event, Machine, Moment, ProbeMiss, TimerName } from '../../../supervisor/machine/life.ts';
import { NEW_MACHINE } from '../../../supervisor/machine/life.ts';
import { step } from '../../../supervisor/machine/machine.ts';
import type { SupervisionPolicy } from '../../../supervisor/system/policy.ts';
import { supervisionPolicy } from '../../../supervisor/system/policy.ts';

export const POLICY: SupervisionPolicy = supervisionPolicy(900_000, 30_000);

/** One of each rule, without a ladder unless something is to be relaxed. */
const CLASSES = {
  never: 'config',
  backoff: 'crash',
  wait: 'busy-vram',
  next_port: 'port',
  relax: 'oom-weights',
} as const satisfies Record<RetryRule, FailureClass>;

export function failureOf(retry: RetryRule, signature = 'x', lastWords = 'It said so.'): Failure {
  const told = { message: 'It failed.', advice: 'Mend it.', lastWords, evidence: {} };
  return { class: CLASSES[retry], phase: 'load', retry, signature, ...told };
}

/** Want of memory, of a class that has a ladder. */
export function oomOf(name: FailureClass): Failure {
  return { ...failureOf('relax', name), class: name };
}

/** A worker with every knob that a ladder may turn. */
export const SETUP: Setup = {
  source: 'large',
  engine: { gpu_memory_utilization: 0.92, max_num_seqs: 64, max_num_batched_tokens: 2048, max_model_len: 8192 },
  env: {},
};
export const LIMITS: LadderLimits = {
  minModelLen: 2048,
  minUtilization: 0.5,
  maxUtilization: 0.95,
  share: 1,
  gpus: 1,
  cardGib: 16,
  computeCap: 8.6,
  weightsGib: 9,
  generates: true,
  vision: true,
  sliding: true,
  knownFlags: null,
  smaller: [{ name: '4 bits', source: 'small', weightsGib: 5 }],
};

const FOUND = {
  ready: (nowMs: number) => ({ kind: 'ready', sinceMs: nowMs - 1000 }) as const,
  loading: () => ({ kind: 'loading', stage: 'model_loaded' }) as const,
  asleep: () => ({ kind: 'asleep' }) as const,
};

type Kind<T extends Effect['type']> = Extract<Effect, { type: T }>;

/** A machine with the world around it: its process, its timers, and the questions it has asked and nobody has answered yet. */
export class World {
  machine: Machine = NEW_MACHINE;
  /** null: it cannot run at all. */
  wanted: Wanted | null = { setup: SETUP, limits: LIMITS };
  nowMs = 0;
  chance = 0.5;
  /** Every effect, in order. */
  readonly effects: Effect[] = [];
  readonly live = new Set<number>();
  readonly timers = new Map<TimerName, { epoch: number; dueMs: number }>();
  spawning: number | null = null;
  clearing: Kind<'await_clearance'> | null = null;
  asked: Kind<'probe'> | Kind<'warm_up'> | Kind<'sleep'> | Kind<'wake'> | null = null;
  sweeping: Kind<'sweep'> | null = null;
  /** Something short can be asked of its model. */
  makesTokens = true;
  /** What the engine's counters stand at. */
  beat: Beat | null = { running: 0, waiting: 0, tokens: 0 };
  /** Starts beside another process, or beside another start. */
  overlaps = 0;
  /** Told of every step. */
  onStep: (from: Machine['life']['state'], to: Machine['life']['state']) => void = () => {};
  #nextPid = 100;

  get at(): Moment {
    return { nowMs: this.nowMs, chance: this.chance };
  }

  get isAskedForToken(): boolean {
    return this.asked?.type === 'probe' && this.asked.depth === 'token';
  }

  get state(): Machine['life']['state'] {
    return this.machine.life.state;
  }

  send(event: Event): readonly Effect[] {
    const { machine, effects } = step({ policy: POLICY, wanted: this.wanted }, this.machine, event, this.at);
    this.onStep(this.machine.life.state, machine.life.state);
    this.machine = machine;
    for (const effect of effects) this.#take(effect);
    this.effects.push(...effects);
    return effects;
  }

  #take(effect: Effect): void {
    switch (effect.type) {
      case 'spawn':
        if (this.live.size > 0 || this.spawning !== null) this.overlaps += 1;
        this.spawning = effect.incarnation;
        return;
      case 'await_clearance':
        this.clearing = effect;
        return;
      case 'probe':
      case 'warm_up':
      case 'sleep':
      case 'wake':
        this.asked = effect;
        return;
      case 'sweep':
        this.sweeping = effect;
        return;
      case 'set_timer':
        this.timers.set(effect.timer, { epoch: effect.epoch, dueMs: this.nowMs + effect.afterMs });
        return;
      case 'cancel_timers':
        return this.timers.clear();
      default:
        return;
    }
  }

  clear(failure: Failure | null = null): readonly Effect[] {
    if (!this.clearing) return [];
    const { epoch } = this.clearing;
    this.clearing = null;
    return this.send(failure ? { type: 'vram_busy', epoch, failure } : { type: 'vram_free', epoch });
  }

  spawn(failure: Failure | null = null): readonly Effect[] {
    if (this.spawning === null) return [];
    const incarnation = this.spawning;
    this.spawning = null;
    if (failure) return this.send({ type: 'spawn_failed', incarnation, failure });
    const pid = this.#nextPid++;
    this.live.add(pid);
    return this.send({ type: 'spawned', incarnation, pid });
  }

  answer(good: boolean, miss: ProbeMiss = 'wrong'): readonly Effect[] {
    if (!this.asked) return [];
    const { type, epoch } = this.asked;
    const isToken = this.asked.type === 'probe' && this.asked.depth === 'token';
    this.asked = null;
    if (type === 'sleep') return this.send(good ? { type: 'slept', epoch } : { type: 'sleep_failed', epoch, reason: 'it said no' });
    if (type === 'wake') return this.send(good ? { type: 'woken', epoch } : { type: 'wake_failed', epoch, reason: 'it said no' });
    if (type === 'warm_up') return this.send(good ? { type: 'warmed', epoch } : { type: 'warm_up_failed', epoch, reason: 'no token' });
    const beat = isToken && this.makesTokens ? null : this.beat;
    return this.send(good ? { type: 'probe_ok', epoch, beat } : { type: 'probe_failed', epoch, reason: '/health answered 503', miss });
  }

  /** The leading process ends. */
  exit(failure: Failure = failureOf('backoff')): readonly Effect[] {
    if (this.live.size === 0) return [];
    this.live.clear();
    return this.send({ type: 'exited', incarnation: this.machine.incarnation, failure });
  }

  /** Its log says something new. */
  say(news: Partial<Extract<Event, { type: 'progress' }>>): readonly Effect[] {
    const { incarnation } = this.machine;
    return this.send({ type: 'progress', incarnation, stage: null, loaded: null, serving: false, dying: false, told: false, ...news });
  }

  /** A supervisor that begins finds a process that is ready, one whose weights are loaded, or one that sleeps. */
  find(kind: 'ready' | 'loading' | 'asleep', incarnation = 3): readonly Effect[] {
    const pid = this.#nextPid++;
    const before = this.machine;
    const found = FOUND[kind](this.nowMs);
    const effects = this.send({ type: 'adopt', foundling: { incarnation, pid, spawnedAtMs: this.nowMs - 60_000, found } });
    if (this.machine !== before) this.live.add(pid);
    return effects;
  }

  swept(survivors: readonly number[] = []): readonly Effect[] {
    if (!this.sweeping) return [];
    const { epoch } = this.sweeping;
    this.sweeping = null;
    if (survivors.length === 0) this.live.clear();
    return this.send({ type: 'swept', epoch, survivors });
  }

  /** Whatever the machine waits for comes out well. */
  cooperate(): readonly Effect[] {
    if (this.clearing) return this.clear();
    if (this.spawning !== null) return this.spawn();
    if (this.asked) return this.answer(true);
    if (this.sweeping) return this.swept();
    return this.tick();
  }

  /** Lets time pass to the next timer and fires it. */
  tick(): readonly Effect[] {
    const [next] = [...this.timers].toSorted(([, a], [, b]) => a.dueMs - b.dueMs);
    if (!next) return [];
    const [timer, { epoch, dueMs }] = next;
    this.timers.delete(timer);
    this.nowMs = Math.max(this.nowMs, dueMs);
    return this.send({ type: 'timer', epoch, timer });
  }

  /** From ready to asleep. */
  fallAsleep(): void {
    this.send({ type: 'sleep' });
    this.tick();
    this.answer(true);
    this.answer(true);
  }

  /** From idle, failed or waiting to a worker that answers requests. */
  becomeReady(): void {
    if (this.state === 'idle' || this.state === 'failed') this.send({ type: 'start' });
    if (this.state === 'stopping') this.swept();
    if (this.state === 'backoff') this.tick();
    this.clear();
    this.spawn();
    this.tick();
    this.answer(true);
    this.answer(true);
  }
}

export function types(effects: readonly Effect[]): string[] {
  return effects.map(({ type }) => type);
}
