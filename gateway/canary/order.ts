import { canaryCriteria, type CanaryCriteria, PRESET_NAMES, type PresetName, presetCriteria } from './criteria.ts';

export interface CanaryStart {
  readonly action: 'start';
  readonly group: string;
  /** Percent of the calls, growing. */
  readonly steps: readonly number[];
  readonly stepSeconds: number;
  readonly criteria: CanaryCriteria;
}

export type CanaryOrder = CanaryStart | { readonly action: 'promote' | 'abort' | 'status' };

export const USUAL_STEPS: readonly number[] = [10, 50, 100];
const USUAL_SECONDS = 60;
const MOST_SECONDS = 86_400;
const MOST_STEPS = 20;
const GROUP = /^[a-z][a-z0-9_-]{0,31}$/;

/** Reads the body of POST /admin/canary. @returns what is wrong with it, as a sentence without its stop */
export function readCanaryOrder(body: unknown): CanaryOrder | string {
  const { action, ...rest } = (body ?? {}) as Readonly<Record<string, unknown>>;
  if (action === 'promote' || action === 'abort' || action === 'status') return { action };
  if (action !== 'start') return '"action" is start, promote, abort or status';
  const { group = 'canary', steps = USUAL_STEPS, step_seconds: stepSeconds = USUAL_SECONDS, criteria = 'team', ...unknown } = rest;
  const [stranger] = Object.keys(unknown);
  if (stranger !== undefined)
    return `${JSON.stringify(stranger.slice(0, 40))} is not known; a start has group, steps, step_seconds and criteria`;
  if (typeof group !== 'string' || !GROUP.test(group)) return '"group" is the name of a group of workers, as in workers[].group';
  if (!areSteps(steps)) return `"steps" are percents of the calls that grow, from 1 to 100, ${MOST_STEPS} at most, such as [10, 50, 100]`;
  if (steps[0]! >= 100) return '"steps" begin below 100, so that others have calls that the group is held against, such as [50, 100]';
  if (typeof stepSeconds !== 'number' || !(stepSeconds >= 1 && stepSeconds <= MOST_SECONDS))
    return `"step_seconds" is how long each step takes at least: 1 to ${MOST_SECONDS}`;
  const read = readCriteria(criteria);
  return typeof read === 'string' ? read : { action, group, steps, stepSeconds, criteria: read };
}

function areSteps(steps: unknown): steps is number[] {
  if (!Array.isArray(steps) || steps.length === 0 || steps.length > MOST_STEPS) return false;
  return steps.every((step, i) => typeof step === 'number' && step >= 1 && step <= 100 && (i === 0 || step > (steps[i - 1] as number)));
}

function readCriteria(criteria: unknown): CanaryCriteria | string {
  if (isPreset(criteria)) {
    const { limits, canary } = presetCriteria(criteria);
    return { limits, canary };
  }
  const result = canaryCriteria.safeParse(criteria);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  return `"criteria" is ${PRESET_NAMES.join(' or ')}, or a group of criteria: ${issue!.path.join('.') || 'criteria'}: ${issue!.message}`;
}

function isPreset(name: unknown): name is PresetName {
  return (PRESET_NAMES as readonly unknown[]).includes(name);
}
