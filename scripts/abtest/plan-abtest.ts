import type { Pace } from '../load/calls/run-load.ts';
import { promptsText, readWorkload } from '../load/plan-load.ts';
import { arrivals } from '../load/workload/arrivals.ts';
import { promptsOf } from '../load/workload/prompt-file.ts';
import type { PromptSource } from '../load/workload/prompts.ts';
import { shown } from '../report/numbers.ts';
import { chanceOfBlock, plannedSlots, type PlannedSlot } from './design/blocks.ts';
import { twinPrompts, twinsOfFile } from './design/prompts.ts';
import type { AbtestOptions } from './options.ts';

/** What will be sent when to which arm, and in words. */
export interface PlannedAbtest {
  readonly slots: readonly PlannedSlot[];
  readonly paceOf: (block: number) => Pace;
  readonly prompts: PromptSource;
  readonly paceText: string;
  readonly promptsText: string;
}

/** @throws WorkloadError for a file that cannot be read or is none */
export function planAbtest({ arms, blocks, load }: AbtestOptions): PlannedAbtest {
  const { schedule, prompts, seed } = load;
  const source =
    prompts.kind === 'file'
      ? twinsOfFile(promptsOf(readWorkload(prompts.file), prompts.file), seed, arms.length)
      : twinPrompts(prompts, seed, arms.length);
  const told = { slots: plannedSlots(arms.length, blocks, seed), prompts: source, promptsText: textOf(prompts) };
  if (schedule.kind === 'clients') {
    const pace: Pace = { ...schedule, kind: 'closed' };
    return { ...told, paceOf: () => pace, paceText: `${shown(schedule.clients)} clients, each after its answer` };
  }
  if (schedule.kind === 'trace') throw new Error('a trace is no load for slots');
  const { stages, burstiness, mostAtOnce } = schedule;
  const spacing = burstiness === null ? ({ kind: 'constant' } as const) : ({ kind: 'gamma', shape: burstiness } as const);
  const how = burstiness === null ? 'evenly' : burstiness === 1 ? 'Poisson' : `gamma of shape ${burstiness}`;
  return {
    ...told,
    paceOf: (block) => ({ kind: 'open', at: arrivals(stages, spacing, chanceOfBlock(seed, block)), mostAtOnce }),
    paceText: `${shown(stages[0]!.from)} calls a second, ${how}`,
  };
}

function textOf(prompts: AbtestOptions['load']['prompts']): string {
  const text = promptsText(prompts);
  return prompts.kind === 'file' ? `${text}, each with words of chance before it` : text;
}
