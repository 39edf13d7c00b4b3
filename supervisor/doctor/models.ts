import { redacted, shownArguments } from '../../gateway/core/secrets/data.ts';
import type { CommandFinding, ModelFinding } from './report.ts';
import type { FlagOrigin } from '../plan/flag-origins.ts';
import type { Choice } from '../plan/engine-choice.ts';
import { gpusOf } from '../profile/mode.ts';
import { INSTANCE_VARIABLE } from '../system/instance-variable.ts';
import type { LaunchPlan } from '../engine/launch.ts';

/** How a model would run, `onGpus`: by their indices. */
export function examineModel(
  id: string,
  wanted: boolean,
  choice: Choice,
  onGpus: readonly number[],
  { flags, profile }: { readonly flags: readonly FlagOrigin[]; readonly profile: string | null },
  command: CommandFinding | null,
): ModelFinding {
  if (choice.kind === 'refused') return { ...NOTHING, id, wanted, on_gpus: [], flags: [], verdict: 'no', notes: [choice.reason] };
  const { fit, variant, source, engine, weightsGib, notes } = choice;
  const found = {
    ...NOTHING,
    id,
    wanted,
    variant: variant?.name ?? null,
    source,
    gpus: gpusOf(engine),
    on_gpus: onGpus,
    flags,
    profile,
    weights_gib: weightsGib,
    command,
  };
  const told = choice.doubt ? [...notes, choice.doubt.text] : notes;
  if (fit === null) return { ...found, verdict: 'unknown', notes: told };
  return {
    ...found,
    verdict: fit.verdict,
    context_tokens: fit.contextTokens,
    concurrency: round(fit.concurrency),
    kv_cache_gib: round(fit.budget.kvCacheGib),
    largest_context_tokens: fit.largestContextTokens,
    notes: fit.verdict === 'fits' ? told : [...told, fit.reason],
  };
}

const NOTHING = {
  variant: null,
  source: null,
  gpus: 1,
  profile: null,
  context_tokens: null,
  concurrency: null,
  weights_gib: null,
  kv_cache_gib: null,
  largest_context_tokens: null,
  command: null,
} as const;

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Its mark, and the folder that is made for one start and goes with it. */
const PASSING: ReadonlySet<string> = new Set([INSTANCE_VARIABLE, 'TMPDIR', 'VLLM_RPC_BASE_PATH', 'TORCHINDUCTOR_CACHE_DIR']);

/** What would be run, with the part of its environment that is not inherited from `inherited`. Secrets are hidden. */
export function describeCommand(launch: LaunchPlan, inherited: Readonly<Record<string, string | undefined>>): CommandFinding {
  const own = Object.entries(launch.env).filter(([name, value]) => inherited[name] !== value && !PASSING.has(name));
  const env = redacted(Object.fromEntries(own)) as Record<string, string>;
  const argv = shownArguments([launch.file, ...launch.argv]);
  const assignments = Object.entries(env).map(([name, value]) => `${name}=${quote(value)}`);
  return { env, argv, shell: [...assignments, ...argv.map(quote)].join(' ') };
}

/** As a POSIX shell takes it for one word. */
export function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
