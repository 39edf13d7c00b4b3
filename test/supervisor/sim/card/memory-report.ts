import type { MemoryFailure } from '../../../../supervisor/sim/card/memory-failure.ts';
import { isMemoryFailure } from '../../../../supervisor/sim/card/memory-plan.ts';
import type { MemoryPlan } from '../../../../supervisor/sim/card/memory.ts';
import { readSettings } from '../../../../supervisor/sim/settings/settings.ts';
import { planMemory } from './plan-memory.ts';

/** Each knob that an operator may turn when memory is short, turned as far as it goes. */
const RELAXATIONS = {
  max_num_seqs: ['--max-num-seqs', '4'],
  max_num_batched_tokens: ['--max-num-batched-tokens', '512'],
  max_model_len: ['--max-model-len', 'auto'],
  lower_utilization: ['--gpu-memory-utilization', '0.75'],
  higher_utilization: ['--gpu-memory-utilization', '0.97'],
  kv_cache_dtype: ['--kv-cache-dtype', 'int8_per_token_head'],
  max_cudagraph_capture_size: ['--max-cudagraph-capture-size', '8'],
  enforce_eager: ['--enforce-eager'],
  language_model_only: ['--language-model-only'],
  cpu_offload_gb: ['--cpu-offload-gb', '8'],
  quantization: ['--quantization', 'awq'],
} as const;

export type Knob = keyof typeof RELAXATIONS;

/** What a start comes to, and what it would come to with one knob turned. */
export interface MemoryReport {
  readonly outcome: MemoryPlan | MemoryFailure;
  readonly turned: Readonly<Record<Knob, MemoryPlan | MemoryFailure>>;
  /** The knobs with which the start succeeds; empty where it does anyway. */
  readonly cures: readonly Knob[];
}

/** Works out a start with these arguments of `vllm serve` on the card SIM_GPU, others holding `takenGib` of it. Throws as readSettings does. */
export function memoryReport(argv: readonly string[], env: Readonly<Record<string, string>>, takenGib = 0): MemoryReport {
  const outcomeOf = (arguments_: readonly string[]): MemoryPlan | MemoryFailure => {
    const { gpu, spec, memory } = readSettings(arguments_, env);
    return planMemory(gpu, spec, memory, takenGib);
  };
  const outcome = outcomeOf(argv);
  // The sequences of a step cannot be more than its tokens.
  const turn = (knob: Knob): MemoryPlan | MemoryFailure => {
    const turned = readSettings(argv, env).memory.maxNumSeqs > 512 && knob === 'max_num_batched_tokens' ? ['--max-num-seqs', '512'] : [];
    return outcomeOf([...argv, ...RELAXATIONS[knob], ...turned]);
  };
  const knobs = Object.keys(RELAXATIONS) as Knob[];
  const turned = Object.fromEntries(knobs.map((knob) => [knob, turn(knob)])) as Record<Knob, MemoryPlan | MemoryFailure>;
  const cures = isMemoryFailure(outcome) ? knobs.filter((knob) => !isMemoryFailure(turned[knob])) : [];
  return { outcome, turned, cures };
}
