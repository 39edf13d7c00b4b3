import type { LaunchPlan } from '../engine/launch.ts';
import type { Birth } from '../engine/process.ts';
import type { WorkerRecord } from '../engine/record.ts';
import type { Failure } from '../failure/failure.ts';
import { noPortLeft, refused } from '../failure/failure.ts';
import type { Setup } from '../ladder/step.ts';
import type { WorkerSpec } from '../plan/worker-spec.ts';
import type { PortPool } from '../system/ports.ts';
import { WorkerPort } from './port.ts';

export type Prepared =
  | {
      readonly kind: 'ready';
      readonly plan: LaunchPlan;
      /** What a later supervisor has to know of this start, except for its time and for what went before. */
      readonly birth: Omit<Birth, 'startedAt' | 'lastFailure' | 'failedAt'>;
    }
  | { readonly kind: 'refused'; readonly failure: Failure };

/** What the starts of one worker are launched with: its port, its command line, and which of them load a model that somebody wanted. */
export class WorkerLaunches {
  readonly #spec: WorkerSpec;
  readonly #port: WorkerPort;
  /** The last launch; null before the first. */
  #last: LaunchPlan | null = null;
  #loads = 1;

  /** `port` is the worker's, taken from the pool. */
  constructor(spec: WorkerSpec, port: number, pool: PortPool) {
    this.#spec = spec;
    this.#port = new WorkerPort(port, pool);
  }

  get port(): number {
    return this.#port.number;
  }

  /** How often its model was loaded because somebody wanted it; any other start is a restart. */
  get loads(): number {
    return this.#loads;
  }

  /** How many sequences the engine runs at once. */
  get maxNumSeqs(): number {
    return this.#last?.maxNumSeqs ?? 1;
  }

  /** The last launch, or what the first would be; null where it cannot run. `setup`: what the ladders leave of its settings. */
  plan(setup: Setup | null): LaunchPlan | null {
    return this.#last ?? this.#planned('', setup);
  }

  /** The next start loads its model, as somebody wants, on this port, which is the caller's. */
  load(port: number, again: boolean): void {
    if (again) this.#loads += 1;
    this.#port.moveTo(port);
  }

  /** An earlier supervisor has launched what runs. */
  adopt({ port, instanceId, loads }: WorkerRecord, setup: Setup | null): void {
    this.#port.moveTo(port);
    this.#last = this.#planned(instanceId, setup);
    this.#loads = loads;
  }

  /** The next start is to have another port: this one proved to be somebody else's. */
  avoidPort(): void {
    this.#port.avoid();
  }

  /** Finds a port for a start and says what to launch. */
  async prepare(incarnation: number, setup: Setup | null): Promise<Prepared> {
    if (!(await this.#port.find())) return { kind: 'refused', failure: noPortLeft() };
    const { id: worker, modelId: model, gpuUuids, fingerprint, instancePrefix } = this.#spec;
    const instanceId = `${instancePrefix}${incarnation}`;
    const plan = this.#spec.plan(this.port, instanceId, setup ?? undefined);
    if (plan.kind === 'refused') return { kind: 'refused', failure: refused(plan.reason) };
    this.#last = plan.launch;
    return {
      kind: 'ready',
      plan: plan.launch,
      birth: {
        ...{ worker, instanceId, incarnation, loads: this.#loads, port: this.port, model, gpuUuids: [...gpuUuids], fingerprint },
        ...{ life: 'starting', stage: 'process', readySince: null, served: [], version: null, sleepLevel: 1 },
      },
    };
  }

  #planned(instanceId: string, setup: Setup | null): LaunchPlan | null {
    const plan = this.#spec.plan(this.port, instanceId, setup ?? undefined);
    return plan.kind === 'run' ? plan.launch : null;
  }
}
