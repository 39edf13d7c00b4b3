import { launchable, type Settings } from '../../gateway/config/schema/settings.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import type { Relaxation } from '../ladder/step.ts';
import { relax } from '../ladder/step.ts';
import type { FlagOrigin } from '../plan/flag-origins.ts';
import { flagOrigins } from '../plan/flag-origins.ts';
import type { FleetPlan, PlannedModel } from '../plan/plan.ts';
import type { Profiles } from '../profile/profile.ts';
import { ladderFile } from '../system/file-name.ts';
import { ladderRecord } from '../worker/ladder.ts';
import { describeCommand } from './models.ts';

type Environment = Readonly<Record<string, string | undefined>>;

interface ShownPlans {
  /** Of what is wanted. */
  readonly wanted: FleetPlan;
  /** Of every other model of the registry, as if it were the only one. */
  readonly others: readonly FleetPlan[];
}

/** The plans to show: for vLLM wherever there is a card to run it on, or one that the settings name, even if vLLM itself is still missing. */
export function shownPlans(settings: Settings, profiles: Profiles, actual: FleetPlan, plan: (settings: Settings) => FleetPlan): ShownPlans {
  const own = launchable(settings);
  const named = own.length > 0 ? own : actual.models.map(({ id }) => asked(id));
  // Models that nobody has asked for take no turns, and neither does one that is alone.
  const wanted = named.length > 1 ? named : named.map((model) => ({ ...model, swap: COLD }));
  const others = [...profiles.models.keys()].filter((name) => !wanted.some(({ id }) => id === name)).map(asked);
  const isReal = actual.profile.name !== 'none' && actual.profile.name !== 'cpu' && settings.supervisor.engine !== 'sim';
  const engine = isReal ? 'vllm' : actual.decision.engine;
  const supervisor = { ...settings.supervisor, engine };
  return {
    wanted: plan({ ...settings, models: wanted, supervisor }),
    others: others.map((model) => plan({ ...settings, models: [model], supervisor: { ...supervisor, replicas: 1, placement: 'auto' } })),
  };
}

function asked(id: string): Settings['models'][number] {
  return { id, source: null, aliases: [], pool: null, fallback: [], engine: {}, swap: COLD, resume: null };
}

const COLD: Settings['models'][number]['swap'] = { strategy: 'cold', sleep_level: null, dwell_ms: null, idle_unload_ms: null };

/** A model on the first worker that can have it. */
export function plannedModel({ workers }: FleetPlan, id: string): PlannedModel | undefined {
  const own = workers.flatMap(({ models }) => models.get(id) ?? []);
  return own.find(({ refusal }) => refusal === null) ?? own[0];
}

/** The flags that a model would be launched with, and what set each; none where it is refused. */
export function originsOf(plan: FleetPlan, id: string, profiles: Profiles): FlagOrigin[] {
  const { choice, basis } = plannedModel(plan, id) ?? {};
  if (choice?.kind !== 'run' || !basis) return [];
  return flagOrigins(choice.engine, basis.model, { gpu: basis.profile, tuning: plan.tuning, card: basis.card, profiles });
}

/** Every GPU that the model may be loaded on. */
export function gpusFor({ workers, cards }: FleetPlan, id: string): readonly GpuReading[] {
  const own = workers.flatMap(({ models }) => models.get(id) ?? []).filter(({ refusal }) => refusal === null);
  return cards.flatMap(({ gpu }) => (gpu && own.some(({ gpuUuids }) => gpuUuids.includes(gpu.uuid)) ? [gpu] : []));
}

/** What was relaxed for models after failures, and still is, by model. */
export function keptSteps(plan: FleetPlan, stateDir: string): ReadonlyMap<string, readonly Relaxation[]> {
  const { models } = plan;
  const planned = models.flatMap(({ id }) => plannedModel(plan, id) ?? []);
  const steps = planned.map(({ spec }) => {
    const id = spec.modelId;
    const file = ladderFile(stateDir, spec);
    return [id, ladderRecord(spec, file).load().footing.steps] as const;
  });
  return new Map(steps.filter(([, { length }]) => length > 0));
}

/** What would be run for a model on its first worker's cards, with what was relaxed for it; null when it is refused. */
export function commandFor(plan: FleetPlan, id: string, steps: readonly Relaxation[], port: number, env: Environment) {
  const spec = plannedModel(plan, id)?.spec;
  const setup = spec?.wanted && steps.length > 0 ? relax(spec.wanted.setup, steps) : undefined;
  const launch = spec?.plan(port, 'doctor', setup);
  return launch?.kind === 'run' ? describeCommand(launch.launch, env) : null;
}
