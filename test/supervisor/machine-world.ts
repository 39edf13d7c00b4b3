import type { Failure } from '../../supervisor/failure.ts';
import type { RetryRule } from '../../supervisor/failure-table.ts';
import type { Effect, Event, Machine, Moment, TimerName } from '../../supervisor/life.ts';
import { NEW_MACHINE } from '../../supervisor/life.ts';
import { step } from '../../supervisor/machine.ts';
import type { SupervisionPolicy } from '../../supervisor/policy.ts';
import { supervisionPolicy } from '../../supervisor/policy.ts';

export const POLICY: SupervisionPolicy = supervisionPolicy(900_000, 30_000);

export function failureOf(retry: RetryRule, signature = 'x', lastWords = 'It said so.'): Failure {
  return { class: `class-${retry}`, phase: 'load', retry, signature, message: 'It failed.', advice: 'Mend it.', lastWords };
}

type Kind<T extends Effect['type']> = Extract<Effect, { type: T }>;

/** A machine with the world around it: its process, its timers, and the questions it has asked and nobody has answered yet. */
export class World {
  machine: Machine = NEW_MACHINE;
  nowMs = 0;
  chance = 0.5;
  /** Every effect, in order. */
  readonly effects: Effect[] = [];
  readonly live = new Set<number>();
  readonly timers = new Map<TimerName, { epoch: number; dueMs: number }>();
  spawning: number | null = null;
  clearing: Kind<'await_clearance'> | null = null;
  asked: Kind<'probe'> | Kind<'warm_up'> | null = null;
  sweeping: Kind<'sweep'> | null = null;
  #nextPid = 100;

  get at(): Moment {
    return { nowMs: this.nowMs, chance: this.chance };
  }

  get state(): Machine['life']['state'] {
    return this.machine.life.state;
  }

  send(event: Event): readonly Effect[] {
    const { machine, effects } = step(POLICY, this.machine, event, this.at);
    this.machine = machine;
    for (const effect of effects) this.#take(effect);
    this.effects.push(...effects);
    return effects;
  }

  #take(effect: Effect): void {
    switch (effect.type) {
      case 'spawn':
        this.spawning = effect.incarnation;
        return;
      case 'await_clearance':
        this.clearing = effect;
        return;
      case 'probe':
      case 'warm_up':
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

  answer(good: boolean, timedOut = false): readonly Effect[] {
    if (!this.asked) return [];
    const { type, epoch } = this.asked;
    this.asked = null;
    if (type === 'warm_up') return this.send(good ? { type: 'warmed', epoch } : { type: 'warm_up_failed', epoch, reason: 'no token' });
    return this.send(good ? { type: 'probe_ok', epoch } : { type: 'probe_failed', epoch, reason: '/health answered 503', timedOut });
  }

  /** The leading process ends. */
  exit(failure: Failure = failureOf('backoff')): readonly Effect[] {
    if (this.live.size === 0) return [];
    this.live.clear();
    return this.send({ type: 'exited', incarnation: this.machine.incarnation, failure });
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
