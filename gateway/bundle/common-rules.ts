import type { Degradation, WorkerFailure } from '../core/worker.ts';
import type { ModelFit } from '../link/snapshot.ts';
import type { Rule } from './veil/rule.ts';
import type { RuleOf } from './veil/rule-of.ts';

// What may go out of what several parts have.

export const FAILURE = {
  class: 'word',
  phase: 'word',
  message: 'foreign',
  advice: 'text',
  at: 'time',
} as const satisfies RuleOf<WorkerFailure>;
export const DEGRADATION = { setting: 'word', from: 'word', to: 'word', reason: 'text' } as const satisfies RuleOf<Degradation>;
export const FIT = {
  verdict: 'word',
  totalGib: 'plain',
  weightsGib: 'plain',
  otherGib: 'plain',
  kvCacheGib: 'plain',
  contextTokens: 'plain',
  concurrency: 'plain',
  reason: 'text',
} as const satisfies RuleOf<ModelFit>;

/** A card, whoever looks at it. */
export const CARD = {
  index: 'plain',
  uuid: 'gpu',
  name: 'text',
  utilization_ratio: 'plain',
  temperature_celsius: 'plain',
  power_watts: 'plain',
  simulated: 'plain',
} as const satisfies Rule;
