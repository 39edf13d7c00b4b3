import { join } from 'node:path';
import type { Clock, Timer } from '../../gateway/core/clock.ts';
import { repeat } from '../../gateway/core/clock.ts';
import type { Random } from '../../gateway/core/random.ts';
import type { GpuView, SupervisorSnapshot } from '../../gateway/link/snapshot.ts';
import type { Adoptables } from '../worker/adoption.ts';
import { running } from '../worker/adoption.ts';
import type { LeaseAsked, LeaseResult } from '../lease/asked.ts';
import { LeaseDesk } from './lease-desk.ts';
import { fileStem, ladderFile } from '../system/file-name.ts';
import { clearStart, takeTurn } from './clearance.ts';
import type { ClosableCards } from './closable-cards.ts';
import type { FleetPlan, PlannedModel, PlannedWorker } from '../plan/plan.ts';
import type { Failure } from '../failure/failure.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import { scratchFolder } from '../engine/scratch.ts';
import { recordsDirectory } from '../engine/record.ts';
import type { WishResult } from '../slot/wish-result.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import { logFiles } from '../system/log-file.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import { PortPool } from '../system/ports.ts';
import type { SlotOptions, WorkerLinks } from './slot.ts';
import { Slot } from './slot.ts';
import { StartHistory } from '../worker/start-history.ts';
import { StartTurns } from './start-turns.ts';
import { SwapDesk } from './swap-desk.ts';
import { takePorts } from './worker-ports.ts';
import { SupervisedWorker } from '../worker/worker.ts';

export interface FleetOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly policy: SupervisionPolicy;
  /** Closed by `stop`. */
  readonly cards: ClosableCards;
  /** What the driver has said before the plan was made. */
  readonly gpus: readonly GpuReading[];
  readonly plan: FleetPlan;
  readonly portRange: readonly [number, number];
  readonly stateDir: string;
  readonly version: string;
  /** Of the settings, for gateways that may have others. */
  readonly settingsMark: string;
  /** How long a call may wait for its model. */
  readonly maxWaitMs: number;
  /** Workers that run already, by id: they go on as they are. */
  readonly adoptable?: ReadonlyMap<string, Adoptables>;
}

/** A look costs a process or several, and figures of a metrics page are rarely read more often. */
const GPU_INTERVAL_MS = 10_000;

type SlotListener = Pick<SlotOptions, 'onChange' | 'onGiveUp'>;

/** Every worker of this supervisor, and the one picture of them that the gateway sees. */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #slots: readonly Slot[];
  readonly #desk: SwapDesk;
  readonly #leases: LeaseDesk;
  readonly #listeners = new Set<() => void>();
  readonly #gpuTimer: Timer | null;
  #gpus: readonly GpuView[];
  /** Of the workers, when the GPUs were last looked at for it. */
  #states = '';
  #revision = 1;
  #stopping = false;

  private constructor(options: FleetOptions, slots: (told: SlotListener, leases: LeaseDesk) => readonly Slot[]) {
    const { clock, log, policy, plan, maxWaitMs } = options;
    this.#options = options;
    this.#leases = new LeaseDesk({ ...options, onChange: () => this.#leasesChanged() });
    this.#gpus = options.gpus.map(toGpuView);
    const told = { onChange: () => this.#changed(), onGiveUp: (model: string, failure: Failure) => this.#desk?.gaveUp(model, failure) };
    this.#slots = slots(told, this.#leases);
    const models = new Map(plan.models.map(({ id }, index) => [id, refusalOf(plan, index)] as const));
    this.#desk = new SwapDesk({ clock, log, policy, models, slots: this.#slots, maxWaitMs, onChange: () => this.#tell() });
    this.#gpuTimer = options.gpus.length > 0 ? repeat(options.clock, GPU_INTERVAL_MS, () => this.#readGpus()) : null;
  }

  /**
   * Prepares the workers of the plan, and takes over those that run already; `start` starts the others.
   * One for which the port range has no free port says so when it is started; the others serve.
   */
  static async create(options: FleetOptions): Promise<Fleet> {
    const { clock, random, log, policy, cards, plan, stateDir, portRange, adoptable = new Map<string, Adoptables>() } = options;
    const ports = new PortPool(portRange);
    for (const adopted of adoptable.values()) for (const { record } of running(adopted)) ports.reserve(record.port);
    const turns = new StartTurns();
    const starts = new StartHistory(join(stateDir, 'start-times.json'));
    const planned: { plan: PlannedWorker; ports: ReadonlyMap<string, number> }[] = [];
    for (const worker of plan.workers) {
      planned.push({ plan: worker, ports: await takePorts(worker, adoptable.get(worker.spec.id), ports) });
    }
    return new Fleet(options, (told, leases) => {
      const create = (model: PlannedModel, port: number, { room, onChange }: WorkerLinks) => {
        const { spec } = model;
        return new SupervisedWorker(spec, port, {
          ...{ clock, random, log, policy, ports, starts, onChange },
          logs: logFiles(join(stateDir, 'logs'), fileStem(spec)),
          recordsDirectory: recordsDirectory(stateDir),
          scratchOf: (instanceId) => scratchFolder(stateDir, instanceId),
          ladderFile: ladderFile(stateDir, spec),
          clearance: (setup, isSleeper, done) =>
            clearStart(turns, model, { setup, isSleeper, room }, { clock, log, cards, policy, lent: leases }, done),
          heldUpMs: () => leases.heldUpMs(model.gpuUuids),
          holdTurn: () => takeTurn(turns, model, () => {}),
        });
      };
      return planned.map((slot) => {
        const { id } = slot.plan.spec;
        return new Slot({ clock, policy, starts, create, first: leases.modelOf(id), leases, ...told, ...slot }, adoptable.get(id));
      });
    });
  }

  /** Does nothing once it has been told to stop. */
  start(): void {
    if (this.#stopping) return;
    this.#leases.begin(this.#slots);
    for (const slot of this.#slots) slot.start();
  }

  /** Ends every worker in order; resolves when all are at rest and nothing asks for the GPUs any more. */
  async stop(): Promise<void> {
    this.#close();
    for (const slot of this.#slots) slot.stop();
    await this.#until(() => this.#slots.every(({ isAtRest }) => isAtRest));
    this.#gpuTimer?.cancel();
    await this.#options.cards.close(this.#options.clock);
  }

  /** Lets go of every worker, which goes on by itself until a later supervisor takes it over. */
  async leave(): Promise<void> {
    this.#close();
    for (const slot of this.#slots) slot.leave();
    this.#gpuTimer?.cancel();
    await this.#options.cards.close(this.#options.clock);
  }

  /** Ends every process group at once. */
  killNow(): void {
    for (const slot of this.#slots) slot.killNow();
  }

  /** `reset`: with what its profile asks for, whatever was relaxed. */
  restart(id: string, reset: boolean): WishResult {
    const act = (slot: Slot) => slot.restart(reset);
    return this.#wish(id, 'restart', act, (state, slot) => {
      if (slot.isVacating) return null;
      if (state === 'ready') return 'It finishes its requests, stops and starts again.';
      return state === 'idle' || state === 'failed' || state === 'backoff' ? 'It starts now.' : 'It stops and starts again.';
    });
  }

  drain(id: string): WishResult {
    const act = (slot: Slot) => this.#desk.drain(slot);
    return this.#wish(id, 'drain', act, (state) => {
      if (state === 'idle' || state === 'failed' || state === 'draining' || state === 'stopping') return null;
      const goes = state === 'ready' ? 'It takes no new requests, finishes those it has, and stops' : 'It stops';
      return `${goes}; "headgate undrain ${id}" brings it back.`;
    });
  }

  /** Takes back a drain. */
  undrain(id: string): WishResult {
    const act = (slot: Slot) => slot.restart(false);
    return this.#wish(id, 'undrain', act, (_, slot) => {
      if (!slot.isHeld) return null;
      return slot.isDrained ? 'It starts now.' : 'It ends what it has, and starts again.';
    });
  }

  /** An operator wants a model loaded now. */
  load(model: string): WishResult {
    return this.#desk.load(model);
  }

  /** Calls wait for a model. */
  wish(model: string, waiting: number): WishResult {
    return this.#desk.wish(model, waiting);
  }

  /** An operator wants a model's memory back. */
  unload(model: string): WishResult {
    return this.#desk.unload(model);
  }

  /** Somebody else wants a card, for longer, or still. */
  lease(asked: LeaseAsked): LeaseResult {
    return this.#leases.ask(asked);
  }

  /** `id`: only of this lease; null: whoever has it. */
  giveBack(gpu: string | null, id: string | null): WishResult {
    return this.#leases.giveBack(gpu, id);
  }

  snapshot(): SupervisorSnapshot {
    const { plan, version } = this.#options;
    return {
      revision: this.#revision,
      pid: process.pid,
      version,
      engine: plan.decision.engine,
      engineReason: plan.decision.reason,
      vllmVersion: this.#slots.find(({ worker }) => worker.version !== null)?.worker.version ?? null,
      profile: plan.profile.name,
      tuning: plan.tuning.name,
      gpus: this.#gpus,
      models: plan.models.map((model) => ({ ...model, ...this.#desk.stateOf(model.id) })),
      workers: this.#slots.map((slot) => slot.view()),
      swaps: this.#desk.swaps(),
      leases: this.#leases.views(),
      settingsMark: this.#options.settingsMark,
    };
  }

  /** `listener` is called after every change. The result takes it off. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #close(): void {
    this.#stopping = true;
    this.#leases.close();
    this.#desk.close();
  }

  #find(id: string): Slot | undefined {
    return this.#slots.find((slot) => slot.id === id);
  }

  #wish(id: string, verb: string, act: (slot: Slot) => void, say: (state: Slot['state'], slot: Slot) => string | null): WishResult {
    const slot = this.#find(id);
    if (!slot) return { kind: 'unknown', reason: `There is no worker ${id}.` };
    if (this.#stopping) return { kind: 'conflict', reason: 'The supervisor is stopping.' };
    const will = say(slot.state, slot);
    if (will === null) return { kind: 'conflict', reason: `${id} is ${slot.isDrained ? 'drained' : slot.state}.` };
    const told = verb !== 'drain' && slot.view().lent ? `${will} It has to wait until its GPU is back, which is lent.` : will;
    this.#options.log.info('worker.told', `${id} was told to ${verb}. ${told}`, { worker: id });
    act(slot);
    return { kind: 'accepted', will: told };
  }

  #changed(): void {
    const states = this.#slots?.map(({ state }) => state).join(' ') ?? '';
    // What is used of the cards has changed, too, and the next look may be some seconds off.
    if (this.#gpuTimer && !this.#stopping && states !== this.#states) void this.#readGpus();
    this.#states = states;
    this.#desk?.review();
    this.#tell();
  }

  /** What waited for a card may have it now. */
  #leasesChanged(): void {
    this.#desk?.review();
    // What comes back takes a while to be seen; its workers tell when they are ready.
    const isLent = !this.#leases.isFree(this.#options.gpus.map(({ uuid }) => uuid));
    if (this.#gpuTimer && !this.#stopping && isLent) void this.#readGpus();
    this.#tell();
  }

  #tell(): void {
    this.#revision += 1;
    for (const listener of this.#listeners) listener();
  }

  #until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!condition()) return;
        off();
        resolve();
      };
      const off = this.onChange(check);
      check();
    });
  }

  async #readGpus(): Promise<void> {
    this.#gpus = (await this.#options.cards.read()).map(toGpuView);
  }
}

/** Why a model can be loaded nowhere; null where some worker may have it. */
function refusalOf({ choices }: FleetPlan, index: number): string | null {
  const choice = choices[index];
  return choice?.kind === 'refused' ? choice.reason : null;
}

function toGpuView(gpu: GpuReading): GpuView {
  const { index, uuid, name, memoryTotalBytes, memoryUsedBytes, utilization, temperatureCelsius, powerWatts, simulated = false } = gpu;
  const view = { index, uuid, name, memoryTotalBytes, memoryUsedBytes, utilization, temperatureCelsius, powerWatts };
  return simulated ? { ...view, simulated } : view;
}
