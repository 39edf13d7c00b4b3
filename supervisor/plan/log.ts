import type { ProfileError } from '../profile/profile.ts';
import { problemText } from '../../gateway/config/schema/problems.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import type { FleetPlan, PlannedModel, PlannedWorker } from './plan.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import { heldBackWords } from '../engine/environment.ts';

/** Tells the operator what was decided about their settings before anything is started. */
export function logPlan(log: Log, plan: FleetPlan, env: Readonly<Record<string, string | undefined>>): void {
  for (const warning of heldBackWords(env, plan.decision.engine)) log.warn('supervisor.plan', warning);
  const { engine, problem } = plan.decision;
  if (problem !== null) {
    const instead = engine === 'sim' ? 'The simulated engine is started instead' : 'vLLM is started without knowing them';
    log.warn('supervisor.plan', `The GPUs cannot be used: ${problem}. ${instead}; headgate doctor tells more.`);
  }
  for (const warning of plan.foreign) log.warn('supervisor.plan', warning);
  for (const { gpu, fact } of unusedCards(plan)) log.info('supervisor.plan', fact, { gpu: gpu.index });
  for (const { spec, swap } of plan.workers.flatMap((worker) => [...worker.models.values()]).filter(firstOfModel))
    if (swap.hindrance !== null)
      log.warn('supervisor.plan', `${spec.modelId} ends when another model is wanted, and does not sleep: ${swap.hindrance}.`, {
        model: spec.modelId,
      });
  plan.choices.forEach((choice, index) => {
    const model = plan.models[index]?.id ?? '';
    if (choice.kind === 'refused') return log.warn('supervisor.plan', choice.reason, { model });
    for (const note of choice.notes) log.info('supervisor.plan', note, { model });
    if (choice.doubt) log.warn('supervisor.plan', choice.doubt.text, { model });
    if (choice.fit?.verdict === 'no') log.warn('supervisor.plan', `${model} may not fit. ${choice.fit.reason}`, { model });
  });
}

/** Why no model can run, a sentence each. */
export function refusals({ choices }: Pick<FleetPlan, 'choices'>): string {
  const told = choices.flatMap((choice, index) => (choice.kind === 'refused' ? [`models[${index}].id: ${choice.reason}`] : []));
  return told.join(' ').replace(/\.$/, '');
}

function firstOfModel({ spec }: PlannedModel, index: number, all: readonly PlannedModel[]): boolean {
  return all.findIndex((other) => other.spec.modelId === spec.modelId) === index;
}

/** Cards that stay idle, and what would use them. */
export function unusedCards({ unused }: Pick<FleetPlan, 'unused'>): { readonly gpu: GpuReading; readonly fact: string }[] {
  return unused.map((gpu) => ({
    gpu,
    fact: `GPU ${gpu.index} (${gpu.name}) is not used: list another model, or raise supervisor.replicas.`,
  }));
}

/** Such as `2 × a on GPU 0, 1; b on GPU 2 (takes turns with c)`. */
export function describeWorkers({ workers, cards }: Pick<FleetPlan, 'workers' | 'cards'>): string {
  const indexOf = (uuid: string) => cards.find(({ gpu }) => gpu?.uuid === uuid)?.gpu?.index ?? uuid;
  const groups = new Map<string, PlannedWorker[]>();
  for (const worker of workers) {
    const key = [...worker.models.keys()].join(' ');
    groups.set(key, [...(groups.get(key) ?? []), worker]);
  }
  const texts = [...groups.values()].map((alike) => {
    const [{ spec, models }] = alike as [PlannedWorker];
    const gpus = alike.flatMap(({ gpuUuids }) => gpuUuids.map(indexOf));
    const turns = [...models.keys()].filter((id) => id !== spec.modelId);
    const on = gpus.length === 0 ? '' : ` on GPU ${gpus.join(', ')}`;
    return `${alike.length} × ${spec.modelId}${on}${turns.length === 0 ? '' : ` (in turns with ${turns.join(', ')})`}`;
  });
  return texts.join('; ');
}

/** Of problems in profiles that are told in the log. */
const MOST_PROBLEMS = 20;

/** What is wrong with profiles, a line of the log for each where there are several: in one they would be hard to read. @returns the sum of it, without a stop */
export function tellProblems(log: Pick<Log, 'error'>, { problems, message }: ProfileError): string {
  if (problems.length < 2) return message;
  const told = problems.slice(0, MOST_PROBLEMS);
  for (const problem of told) log.error('supervisor.failed', problemText(problem));
  const which = told.length < problems.length ? `the first ${told.length} told before this` : 'told before this';
  return `the profiles have ${problems.length} problems, ${which}; "headgate check" lists them`;
}
