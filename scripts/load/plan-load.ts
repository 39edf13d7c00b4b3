import { readFileSync } from 'node:fs';
import { shown, shownSpan } from '../report/numbers.ts';
import type { LoadOptions, PromptOptions, Schedule } from './options.ts';
import type { Pace } from './calls/run-load.ts';
import { meanRate } from './figures/mean-rate.ts';
import { arrivals } from './workload/arrivals.ts';
import type { Lengths } from './workload/lengths.ts';
import { promptsOf, WorkloadError } from './workload/prompt-file.ts';
import { type PromptSource, promptsInTurn, syntheticPrompts } from './workload/prompts.ts';
import { seeded } from './workload/seeded.ts';
import { traceOf } from './workload/trace-file.ts';

/** What will be sent when, and in words. */
export interface PlannedLoad {
  readonly pace: Pace;
  readonly prompts: PromptSource;
  readonly paceText: string;
  readonly promptsText: string;
  readonly requestRate: number | null;
  readonly burstiness: number | null;
  readonly mostAtOnce: number | null;
}

/** @throws WorkloadError for a file that cannot be read or is none */
export function planLoad({ schedule, prompts, seed }: LoadOptions): PlannedLoad {
  if (schedule.kind === 'trace') {
    const { file, speed, mostAtOnce } = schedule;
    const trace = traceOf(readWorkload(file), file, seed);
    const at = trace.at.map((ms) => ms / speed);
    const paceText = `the ${shown(at.length)} calls of ${file}${speed === 1 ? '' : `, ${speed} times as fast`}`;
    return {
      pace: { kind: 'open', at, mostAtOnce },
      prompts: trace.prompts,
      paceText,
      promptsText: 'prompts as long as recorded',
      ...rates(at, null, mostAtOnce),
    };
  }
  const source =
    prompts.kind === 'file' ? promptsInTurn(promptsOf(readWorkload(prompts.file), prompts.file)) : syntheticPrompts(prompts, seed);
  const told = { prompts: source, promptsText: promptsText(prompts), paceText: paceText(schedule) };
  if (schedule.kind === 'clients')
    return { ...told, pace: { ...schedule, kind: 'closed' }, requestRate: null, burstiness: null, mostAtOnce: schedule.clients };
  const { stages, burstiness, mostAtOnce } = schedule;
  const at = arrivals(stages, burstiness === null ? { kind: 'constant' } : { kind: 'gamma', shape: burstiness }, seeded(seed));
  if (at.length === 0) throw new WorkloadError('at this rate not one call falls into the time; a longer --duration or a higher --rate');
  return { ...told, pace: { kind: 'open', at, mostAtOnce }, ...rates(at, burstiness, mostAtOnce) };
}

function rates(
  at: Float64Array,
  burstiness: number | null,
  mostAtOnce: number,
): Pick<PlannedLoad, 'requestRate' | 'burstiness' | 'mostAtOnce'> {
  return { requestRate: meanRate(at), burstiness, mostAtOnce };
}

function paceText(schedule: Exclude<Schedule, { kind: 'trace' }>): string {
  if (schedule.kind === 'clients') {
    const { clients, calls, forMs } = schedule;
    const until = [Number.isFinite(calls) ? `${shown(calls)} calls` : '', Number.isFinite(forMs) ? `for ${shownSpan(forMs)}` : ''];
    return `${shown(clients)} ${clients === 1 ? 'client' : 'clients'}, each after its answer, ${until.filter((part) => part !== '').join(' or ')}`;
  }
  const { stages, burstiness } = schedule;
  const spacing = burstiness === null ? 'evenly' : burstiness === 1 ? 'Poisson' : `gamma of shape ${burstiness}`;
  const each = stages.map(
    ({ from, to, seconds }) => `${from === to ? shown(from) : `${shown(from)} to ${shown(to)}`} a second for ${shownSpan(seconds * 1000)}`,
  );
  return `${each.length > 4 ? `${each.slice(0, 3).join(', ')} and ${each.length - 3} stages more` : each.join(', ')}, ${spacing}`;
}

/** Which prompts are sent, in words. */
export function promptsText(prompts: PromptOptions): string {
  if (prompts.kind === 'file') return `prompts of ${prompts.file}`;
  const { input, output, prefixGroups, prefixTokens } = prompts;
  const shared = prefixGroups === 0 ? '' : `, ${prefixGroups} groups that share ${prefixTokens}`;
  return `${lengthText(input)} tokens in${shared}, ${lengthText(output)} out`;
}

function lengthText(lengths: Lengths): string {
  switch (lengths.kind) {
    case 'fixed':
      return String(lengths.tokens);
    case 'uniform':
      return `${lengths.least} to ${lengths.most}`;
    case 'lognormal':
      return `about ${lengths.median}`;
  }
}

/** @throws WorkloadError */
export function readWorkload(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new WorkloadError(`${file} cannot be read: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
  }
}
