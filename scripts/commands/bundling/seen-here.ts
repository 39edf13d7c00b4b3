import { CARD } from '../../../gateway/bundle/common-rules.ts';
import { allowed, type Rule } from '../../../gateway/bundle/veil/rule.ts';
import type { Veil } from '../../../gateway/bundle/veil/veil.ts';
import { problemText, type SettingsProblem } from '../../../gateway/config/schema/problems.ts';
import { type Clock, sleep } from '../../../gateway/core/clock.ts';
import type { DoctorReport, GatewayReport } from '../../../supervisor/doctor/report.ts';

const DOCTOR_MS = 10_000;

const PROFILE = { name: 'model', title: 'text', reason: 'text', tuning: 'model' } as const satisfies Rule;
const GPU = {
  ...CARD,
  memory_gib: 'plain',
  usable_gib: 'plain',
  free_gib: 'plain',
  compute_cap: 'plain',
  driver: 'word',
  driver_advice: 'text',
  display: 'plain',
  fault: 'text',
  held_by: [{ pid: 'plain', memory_gib: 'plain' }],
} as const satisfies Rule;
const MODEL = {
  id: 'model',
  wanted: 'plain',
  verdict: 'word',
  variant: 'model',
  source: 'model',
  gpus: 'plain',
  profile: 'model',
  on_gpus: ['plain'],
  context_tokens: 'plain',
  concurrency: 'plain',
  weights_gib: 'plain',
  kv_cache_gib: 'plain',
  largest_context_tokens: 'plain',
  notes: 'text',
  command: { argv: 'args' },
} as const satisfies Rule;

/** What of the doctor's report may go out. */
const REPORT = {
  ok: 'plain',
  problems: 'text',
  warnings: 'text',
  gpus: [GPU],
  engine: { kind: 'word', reason: 'text' },
  vllm: { version: 'word', cuda: 'word', cpu: 'plain', flags: 'plain' },
  profile: PROFILE,
  other_profiles: [PROFILE],
  models: [MODEL],
  state: { supervisor_running: 'plain', port_range: ['plain'], ports_taken: ['plain'], leftovers: ['plain'] },
} as const satisfies Rule;

/** What this command sees by itself: what is wrong with the settings as they stand in the file now, and what the doctor says. */
export async function seenHere(
  problems: readonly SettingsProblem[],
  examine: () => Promise<DoctorReport | GatewayReport>,
  clock: Clock,
  veil: Veil,
) {
  const report = await Promise.race([
    examine().catch(kindOf),
    sleep(clock, DOCTOR_MS).then(() => `it took longer than ${DOCTOR_MS / 1_000} s`),
  ]);
  return {
    settings_problems: problems.map((problem) => veil.text(problemText(problem))),
    doctor: typeof report === 'string' ? { not_there: veil.text(report) } : allowed(report, REPORT, veil),
  };
}

function kindOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : 'it failed';
}
