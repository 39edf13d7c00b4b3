import type { Clock } from '../../gateway/core/clock.ts';
import type { ServedModel } from '../../gateway/core/worker.ts';
import { type CpuUse, stoodStill } from '../system/cpu-use.ts';
import { availableHostBytes } from '../system/host-free.ts';
import type { Beat } from '../../gateway/vllm/beat.ts';
import type { Event } from '../machine/life.ts';
import type { ProbeResult } from './probe.ts';
import { Probe } from './probe.ts';
import type { SleepLevel } from '../engine/sleep-level.ts';
import { sleepLevel } from '../engine/sleep-level.ts';
import type { WorkerSpec } from '../plan/worker-spec.ts';
import type { WorkerWorld } from './world.ts';
import type { WorkerUse } from './use.ts';
import { newlyUsed, seenUse } from './use.ts';

/** What is asked, and how long a token is waited for. */
type Question = { readonly depth: 'serving' | 'pulse' } | { readonly depth: 'token'; readonly patienceMs: number };

/** What one look at an engine has shown. */
interface Look {
  readonly models: readonly ServedModel[] | null;
  readonly beat: Beat | null;
}

interface Listener {
  /** An answer, as the machine hears it. */
  readonly send: (event: Event) => void;
  /** Of the life that a question belongs to. */
  readonly epoch: () => number;
  /** What its server's processes have done until now; null where the system does not say. */
  readonly cpuUse: () => CpuUse | null;
  /** It has answered well. */
  readonly onWell: () => void;
}

/** What one worker's engine is asked and told over HTTP, and what is kept of its answers. */
export class WorkerQuestions {
  readonly #spec: WorkerSpec;
  readonly #world: Pick<WorkerWorld, 'clock' | 'policy'>;
  readonly #listener: Listener;
  #probe: Probe | null = null;
  #models: readonly ServedModel[] | null = null;
  #version: string | null;
  #use: WorkerUse = newlyUsed(-Infinity, null);
  /** How much it had done when it became ready; null where it does not say. */
  #before: Beat | null = null;
  #level: SleepLevel;

  constructor(spec: WorkerSpec, world: Pick<WorkerWorld, 'clock' | 'policy'>, version: string | null, listener: Listener) {
    this.#spec = spec;
    this.#world = world;
    this.#version = version;
    this.#listener = listener;
    this.#level = spec.sleep ?? 1;
  }

  /** What it serves, once it has said so. */
  get models(): readonly ServedModel[] | null {
    return this.#models;
  }

  /** The engine's own version, once it has been ready. */
  get version(): string | null {
    return this.#version;
  }

  /** When its model last had work. */
  get use(): WorkerUse {
    return this.#use;
  }

  /** How deep it sleeps, or did last. */
  get level(): SleepLevel {
    return this.#level;
  }

  /** From now on they go to the engine on this port; `known`: what an earlier supervisor has learned of it. */
  askAt(
    port: number,
    known?: { readonly models: readonly ServedModel[]; readonly version: string | null; readonly level: SleepLevel },
  ): void {
    this.#probe = new Probe(`http://127.0.0.1:${port}`, this.#spec.modelId);
    this.#models = known && known.models.length > 0 ? known.models : null;
    this.#version = known?.version ?? this.#version;
    this.#level = known?.level ?? this.#level;
  }

  /** It serves: what it did before is another story. `adopted`: it may have had work already. */
  newlyReady(adopted: boolean): void {
    this.#use = newlyUsed(this.#world.clock.now(), adopted ? null : this.#before);
  }

  /** Looks whether its model has work; `use` knows afterwards. */
  async lookAtUse(): Promise<void> {
    const epoch = this.#listener.epoch();
    const result = await this.#look({ depth: 'pulse' });
    if (result.kind === 'ok' && epoch === this.#listener.epoch())
      this.#use = seenUse(this.#use, result.value.beat, this.#world.clock.now());
  }

  async ask(epoch: number, question: Question): Promise<void> {
    const { send, onWell } = this.#listener;
    const { depth } = question;
    const result = await this.#look(question);
    if (result.kind === 'failed') return send({ type: 'probe_failed', epoch, reason: result.reason, miss: result.miss });
    const { models, beat } = result.value;
    if (models && epoch === this.#listener.epoch()) this.#models = models;
    onWell();
    if (depth === 'token' && beat === null) this.#use = { ...this.#use, asked: true };
    else if (depth !== 'serving') this.#use = seenUse(this.#use, beat, this.#world.clock.now());
    send({ type: 'probe_ok', epoch, beat });
  }

  /** `brief`: one token is enough. */
  async warmUp(epoch: number, maxNumSeqs: number, brief: boolean): Promise<void> {
    const { send } = this.#listener;
    const result = await this.#result((probe) => (brief ? probe.token(this.#world.policy.tokenTimeoutMs) : probe.warmUp(maxNumSeqs)));
    if (result.kind === 'failed') return send({ type: 'warm_up_failed', epoch, reason: result.reason });
    const version = (await this.#probe?.version()) ?? null;
    if (version !== null && this.#version !== null && version !== this.#version) send({ type: 'outdated' });
    this.#version = version ?? this.#version;
    // What it has done until now was for its supervisor.
    const beat = await this.#look({ depth: 'pulse' });
    this.#before = beat.kind === 'ok' ? beat.value.beat : null;
    send({ type: 'warmed', epoch });
  }

  /** `weightsGib`: what it would keep in main memory; null when unknown. */
  async sleep(epoch: number, weightsGib: number | null): Promise<void> {
    this.#level = sleepLevel(this.#spec.sleep ?? 1, weightsGib, availableHostBytes());
    const result = await this.#result((probe) => probe.sleep(this.#level));
    this.#listener.send(result.kind === 'ok' ? { type: 'slept', epoch } : { type: 'sleep_failed', epoch, reason: result.reason });
  }

  async wake(epoch: number): Promise<void> {
    const result = await this.#result((probe) => probe.wake(this.#level));
    this.#listener.send(result.kind === 'ok' ? { type: 'woken', epoch } : { type: 'wake_failed', epoch, reason: result.reason });
  }

  async #look(question: Question): Promise<ProbeResult<Look>> {
    switch (question.depth) {
      case 'serving':
        return mapped(await this.#result((probe) => probe.serving()), (models) => ({ models, beat: null }));
      case 'pulse':
        return mapped(await this.#unlessFrozen(this.#result((probe) => probe.pulse())), (beat) => ({ models: null, beat }));
      case 'token':
        return mapped(await this.#result((probe) => probe.token(question.patienceMs)), (beat) => ({ models: null, beat }));
    }
  }

  /**
   * An answer that is late may be of a server that is busy, which is left its time, or of one that does nothing at all: its processes tell
   * the two apart. A healthy one takes milliseconds, and is not looked at.
   */
  async #unlessFrozen<T>(answer: Promise<ProbeResult<T>>): Promise<ProbeResult<T>> {
    const { clock, policy } = this.#world;
    const result = await within(clock, answer, policy.lateMs);
    if (result) return result;
    for (let before = this.#listener.cpuUse(); ;) {
      const late = await within(clock, answer, policy.frozenMs);
      if (late) return late;
      const now = this.#listener.cpuUse();
      if (stoodStill(before, now)) return { kind: 'failed', reason: 'it answers nothing, and its process does nothing', miss: 'frozen' };
      before = now;
    }
  }

  async #result<T>(ask: (probe: Probe) => Promise<ProbeResult<T>>): Promise<ProbeResult<T>> {
    return this.#probe ? ask(this.#probe) : { kind: 'failed', reason: 'there is no engine to ask', miss: 'refused' };
  }
}

function mapped<T, R>(result: ProbeResult<T>, map: (value: T) => R): ProbeResult<R> {
  return result.kind === 'ok' ? { kind: 'ok', value: map(result.value) } : result;
}

/** null where it has not come in this time. */
async function within<T>(clock: Clock, answer: Promise<T>, limitMs: number): Promise<T | null> {
  const { promise: late, resolve } = Promise.withResolvers<null>();
  const timer = clock.after(limitMs, () => resolve(null));
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.cancel();
  }
}
