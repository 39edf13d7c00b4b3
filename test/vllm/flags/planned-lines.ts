import { settingsSchema, type SettingsInput } from '../../../gateway/config/schema/settings.ts';
import { FAILURE_CLASSES } from '../../../supervisor/failure/table.ts';
import type { GpuReading } from '../../../supervisor/gpu/gpu.ts';
import { nextStep } from '../../../supervisor/ladder/ladder.ts';
import { type Relaxation, relax } from '../../../supervisor/ladder/step.ts';
import { type PlannedModel, planFleet } from '../../../supervisor/plan/plan.ts';
import { type GpuProfile, loadProfiles } from '../../../supervisor/profile/profile.ts';
import { reading } from '../../supervisor/support/pretend-smi.ts';

/** A command line that Headgate would launch, and what for. */
export interface PlannedLine {
  readonly args: readonly string[];
  /** Profile, tuning, model, cards, and the ladder and step that led to it. */
  readonly from: string;
}

const PLACE = { cwd: '/srv', env: {}, stateDir: '/srv/.headgate' };
const MOST_STEPS = 100;

/**
 * Every distinct command line that profile × tuning × model × number of cards × ladder step comes to. `flags`: those that the engine is
 * known to have; null: nobody has asked it.
 */
export function plannedLines(version: string, flags: ReadonlySet<string> | null): readonly PlannedLine[] {
  const profiles = loadProfiles();
  const lines = new Map<string, PlannedLine>();
  for (const profile of profiles.gpus.values())
    for (const tuning of profiles.tunings.keys())
      for (const model of profiles.models.keys())
        for (const { cards, replicas } of [
          { cards: 1, replicas: 1 },
          { cards: 2, replicas: 1 },
          { cards: 1, replicas: 2 },
        ]) {
          const input: SettingsInput = {
            // The second model makes the first one share its card, and sleep.
            models: [model, 'qwen2.5-1.5b-instruct-awq'].filter((id, at, all) => all.indexOf(id) === at),
            supervisor: { engine: 'vllm', profile: profile.name, tuning, replicas },
          };
          const gpus = Array.from({ length: cards }, (_, index) => cardOf(profile, index));
          const vllm = { path: '/srv/vllm', version, cuda: null, cpu: false, flags };
          const fleet = planFleet(settingsSchema.parse(input), profiles, gpus, { ...PLACE, vllm });
          for (const planned of fleet.workers.flatMap((worker) => [...worker.models.values()]))
            for (const { args, step } of linesOf(planned)) {
              const from = `${profile.name}, ${tuning}, ${planned.spec.modelId}, ${cards} cards, ${replicas} workers, ${step}`;
              const key = args.join('\0');
              if (!lines.has(key)) lines.set(key, { args, from });
            }
        }
  return [...lines.values()];
}

function linesOf({ spec }: PlannedModel): { args: readonly string[]; step: string }[] {
  const { wanted } = spec;
  const line = (taken: readonly Relaxation[], step: string) => {
    const plan = spec.plan(18_000, 'mark', wanted === null ? undefined : relax(wanted.setup, taken));
    // What follows `serve`.
    return plan.kind === 'run' ? [{ args: plan.launch.argv.slice(1), step }] : [];
  };
  if (wanted === null) return [];
  const ladders = FAILURE_CLASSES.flatMap((name) => {
    const taken: Relaxation[] = [];
    const lines: { args: readonly string[]; step: string }[] = [];
    for (let count = 1; count <= MOST_STEPS; count++) {
      const question = { class: name, setup: relax(wanted.setup, taken), limits: wanted.limits, evidence: { patienceOver: true }, taken };
      const step = nextStep(question);
      if (step === null) break;
      taken.push(step);
      lines.push(...line(taken, `${name}, step ${count}`));
    }
    return lines;
  });
  return [...line([], 'as wanted'), ...ladders];
}

/** A card that the profile is for; one of 24 GiB where it is for any. */
function cardOf(profile: GpuProfile, index: number): GpuReading {
  const memoryMib = Math.round((profile.memory_gib ?? 24) * 1024);
  return reading(profile.title, memoryMib, profile.compute_cap ?? 8.9, { index, uuid: `GPU-${index}` });
}
