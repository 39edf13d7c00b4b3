import { z } from 'zod';
import type { Form } from '../config/schema/form.ts';
import { count, ms, share } from '../config/schema/values/kinds.ts';
import { SchemaNode } from '../config/schema/walk.ts';

// What a release has to show, in numbers: for `headgate release-gate`, and for a canary.

const ratio = () => z.number().min(1).max(100);
const limit = () => ms(1).nullable().default(null);

const limits = z.strictObject({
  p95_ttft_ms: limit().describe('Milliseconds to the first token that 95 of 100 calls keep to; null: any.'),
  p95_tpot_ms: limit().describe('Milliseconds a token after the first that 95 of 100 calls keep to; null: any.'),
  p95_e2e_ms: limit().describe('Milliseconds to the end of an answer that 95 of 100 calls keep to; null: any.'),
  error_rate: share().default(0.001).describe('Calls that may fail, as a share.'),
});

/** How a canary may differ from the workers beside it. */
const canary = z.strictObject({
  p95_ttft_ratio: ratio().default(1.2).describe('How many times the p95 of the others its own time to first token may be.'),
  p95_tpot_ratio: ratio().default(1.2).describe('The same of its time a token.'),
  p95_e2e_ratio: ratio().default(1.2).describe('The same of its whole answers.'),
  error_rate_increase: share().default(0.01).describe('How much larger than that of the others its share of failures may be.'),
  min_calls: count(5, 100_000).default(30).describe('Calls that it must have answered before a step can end.'),
});

export const canaryCriteria = z.strictObject({ limits: limits.prefault({}), canary: canary.prefault({}) });
export type CanaryCriteria = z.infer<typeof canaryCriteria>;

const releaseCriteria = z.strictObject({
  ...canaryCriteria.shape,
  step: z
    .strictObject({
      goodput_kept: share().default(0.9).describe('Goodput at 150 % of capacity, as a share of that at 100 %.'),
    })
    .prefault({}),
  spike: z
    .strictObject({
      ttft_ratio: ratio().default(1.2).describe('How many times that of before p95 TTFT may be once it has recovered.'),
      recovery_ms: ms(1).default(15_000).describe('After the end of the spike.'),
      refusal_ms: ms(1).default(50).describe('The longest that a refusal may take, for 95 of 100.'),
    })
    .prefault({}),
  soak: z
    .strictObject({
      rss_mb_per_hour: z.number().positive().max(10_000).default(1).describe('By how much the memory of the gateway may grow.'),
      sockets_growth: count(0, 10_000).default(8).describe('How many more open files there may be at the end than at its beginning.'),
      p99_drift: share().default(0.05).describe('By how much p99 may be longer in the last quarter than in the second, as a share.'),
    })
    .prefault({}),
  drain: z.strictObject({ broken_streams: count(0, 10_000).default(0).describe('Streams that may be cut.') }).prefault({}),
  cancel: z
    .strictObject({ settled_ms: ms(1).default(1_000).describe('After the last call, until no worker has one in flight.') })
    .prefault({}),
  fair: z
    .strictObject({
      latency_ratio: ratio().default(1.5).describe('How many times its p95 alone that of one key may be while another floods.'),
    })
    .prefault({}),
});
export type ReleaseCriteria = z.infer<typeof releaseCriteria>;

export const RELEASE_CRITERIA: Form = {
  root: new SchemaNode(releaseCriteria),
  name: 'file of criteria',
  content: 'groups of criteria, such as limits: and spike:',
};

/** personal: one user at home, who can wait for a cold cache · team: many at work. */
export const PRESET_NAMES = ['personal', 'team'] as const;
export type PresetName = (typeof PRESET_NAMES)[number];

const PRESETS: Readonly<Record<PresetName, z.input<typeof releaseCriteria>>> = {
  personal: {
    limits: { p95_ttft_ms: 10_000, p95_e2e_ms: 30_000, error_rate: 0.01 },
    spike: { ttft_ratio: 1.5, refusal_ms: 100 },
    soak: { p99_drift: 0.1 },
    canary: { p95_ttft_ratio: 1.5, p95_tpot_ratio: 1.5, p95_e2e_ratio: 1.5, error_rate_increase: 0.02, min_calls: 20 },
  },
  team: { limits: { p95_ttft_ms: 200, p95_e2e_ms: 5_000, error_rate: 0.001 } },
};

export function presetCriteria(name: PresetName): ReleaseCriteria {
  return releaseCriteria.parse(PRESETS[name]);
}

/** A tree that has been held against the form, with what it leaves out. */
export function wholeCriteria(tree: unknown): ReleaseCriteria {
  return releaseCriteria.parse(tree);
}
