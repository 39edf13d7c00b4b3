import { z } from 'zod';
import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import { QUANTIZATIONS } from './quantizations.ts';

/** Flags of `vllm serve`, underscores for dashes; and `gpu_mode`, which is ours. */
export type EngineSettings = Readonly<Record<string, EngineValue>>;

const engine = z
  .record(z.string().regex(/^[a-z][a-z0-9_]*$/, 'expected the name of a vllm serve flag, underscores for dashes'), z.json())
  .describe('Flags of vllm serve, underscores for dashes. gpu_mode: single, tensor, pipeline or auto says how several GPUs are used.');
const engineSettings = engine as unknown as z.ZodType<EngineSettings, EngineSettings>;
const environment = z.record(z.string().regex(/^[A-Z][A-Z0-9_]*$/, 'expected the name of a variable, in capitals'), z.string());
const reasons = z.record(z.string(), z.string().min(10)).describe('Why a value differs from what vLLM takes when it is told nothing.');
const computeCap = z.number().min(5).max(20);
const version = z.string().regex(/^\d+\.\d+(\.\d+)?$/, 'expected a version such as 0.24');
const pattern = (flags?: string) =>
  z.string().transform((text, context) => {
    try {
      return new RegExp(text, flags);
    } catch (error) {
      context.addIssue({ code: 'custom', message: `expected a regular expression: ${(error as Error).message}` });
      return z.NEVER;
    }
  });

const swapFields = {
  strategy: z
    .enum(['cold', 'sleep'])
    .optional()
    .describe('cold: one model ends before the next is launched. sleep: it stays as a process and gives its memory back.'),
  sleep_level: z
    .literal([1, 2])
    .optional()
    .describe('1 keeps the weights of a model that sleeps in main memory; 2 reads them from the disk when it wakes.'),
  dwell_ms: z
    .int()
    .nonnegative()
    .optional()
    .describe('How long a model stays at least once it is ready. Where nothing is said 30000, or 5000 with sleep.'),
  idle_unload_ms: z.int().positive().nullable().optional().describe('Without a request for this long it is unloaded. null: it stays.'),
};
const swapSchema = z
  .strictObject(swapFields)
  .prefault({})
  .describe('How the model takes turns with others on one card; it goes before what the GPU profile says.');
const gpuSwapSchema = z
  .strictObject({ ...swapFields, max_asleep: z.int().min(1).max(16).default(1).describe('How many models may sleep on it at a time.') })
  .prefault({})
  .describe('How models take turns on the card, where neither they nor the settings say.');

const stepSchema = z.strictObject({
  when: z
    .strictObject({
      memory_gib_below: z.number().positive().optional().describe('The card has less than this.'),
      memory_gib_from: z.number().positive().optional().describe('The card has this or more.'),
      compute_cap_below: computeCap.optional(),
      vllm_below: version.optional().describe('The vLLM that is installed is older.'),
    })
    .describe('All of them must hold; what is not known does not hold.'),
  engine: engineSettings.default({}),
  env: environment.default({}),
  why: reasons.default({}),
});

export const gpuSchema = z.strictObject({
  title: z.string(),
  match: z
    .strictObject({
      name: pattern().optional().describe('Regular expression for the name as nvidia-smi prints it. Left out: any name.'),
      compute_cap: computeCap.optional(),
      memory_mib: z.tuple([z.int(), z.int()]).optional().describe('Least and most of memory.total.'),
    })
    .nullable()
    .describe('The cards it is for, as nvidia-smi reports them. null: never chosen by what is found.'),
  compute_cap: computeCap.nullable().describe('null: taken from the card.'),
  memory_gib: z
    .number()
    .positive()
    .nullable()
    .describe('What CUDA hands out, about 0.45 GiB less than nvidia-smi says. null: taken from the card.'),
  simulated_as: z.string().optional().describe('The SIM_GPU of the simulated engine, where it is not the name of the profile.'),
  default_model: z.string().describe('The model that is launched when the settings name none.'),
  vllm: z
    .strictObject({ from: version.optional(), below: version.optional() })
    .default({})
    .describe('The vLLM versions that the values were chosen for.'),
  engine: engineSettings,
  with_display: engineSettings.default({}).describe('Laid over engine when a screen is attached.'),
  env: environment.default({}).describe('Environment of the engine, where the environment of Headgate does not say otherwise.'),
  multi_gpu: z
    .strictObject({ engine: engineSettings.default({}), env: environment.default({}) })
    .prefault({})
    .describe('Laid over them for a worker that uses several of these cards.'),
  steps: z.array(stepSchema).default([]).describe('Further layers, each for the cards or vLLM versions it names; in order.'),
  swap: gpuSwapSchema,
  tune: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_]*$/, 'expected the name of a vllm serve flag, underscores for dashes'),
      z.array(z.number()).min(1),
    )
    .default({})
    .describe('The values of flags that "headgate tune" tries on such a card when it is told none.'),
  why: reasons.default({}),
  deny: z
    .array(z.strictObject({ pattern: pattern('i'), reason: z.string() }))
    .default([])
    .describe('Names of models outside the registry that cannot run on this card.'),
});

const changeSchema = z.union([
  z.strictObject({ set: z.json() }),
  z.strictObject({ times: z.number().positive(), min: z.number().optional(), max: z.number().optional() }),
  z.strictObject({ add: z.number(), min: z.number().optional(), max: z.number().optional() }),
  z.strictObject({ at_least: z.number(), min_memory_gib: z.number().optional() }),
]);

export const tuningSchema = z.strictObject({
  title: z.string(),
  engine: z.record(z.string(), changeSchema).describe('Changes to the profile: set, times, add or at_least, bounded by min and max.'),
  measured: z
    .strictObject({
      model: z.string().describe('Its id in the settings.'),
      gpu: z.string().describe('The GPU profile.'),
      source: z.string().describe('Repository or folder of the weights.'),
      at: z.string().optional().describe('When, as ISO time.'),
    })
    .optional()
    .describe(
      'What its values were measured with. For that model on such a card they are taken as they are: no arithmetic relaxes what has run.',
    ),
});

const variantSchema = z.strictObject({
  name: z.string(),
  source: z.string().describe('Repository or folder of the weights.'),
  quantization: z.enum(Object.keys(QUANTIZATIONS) as [keyof typeof QUANTIZATIONS]),
  weights_gib: z.number().positive().describe('What vLLM reports after loading them.'),
  gated: z.boolean().default(false).describe('The repository wants HF_TOKEN and its licence accepted.'),
});

const shapeSchema = z.strictObject({
  parameters_b: z.number().positive().describe('Billions, image encoder included.'),
  layers: z.int().positive(),
  attention_heads: z.int().positive(),
  kv_heads: z.int().positive(),
  head_dim: z.int().positive(),
  hidden: z.int().positive(),
  intermediate: z.int().positive().describe('Width of the feed-forward layer; with experts, of one of them.'),
  vocabulary: z.int().positive(),
  tied_embeddings: z.boolean().default(false).describe('Input and output share one table.'),
  sliding: z.strictObject({ layers: z.int().positive(), window: z.int().positive() }).optional().describe('Layers that see a window only.'),
  experts: z.strictObject({ count: z.int().positive(), active: z.int().positive() }).optional(),
  mla: z.strictObject({ kv_lora_rank: z.int().positive(), rope_head_dim: z.int().positive() }).optional(),
  vision: z
    .strictObject({ parameters_b: z.number().positive(), profiling_gib: z.number().nonnegative() })
    .optional()
    .describe('The image encoder: its size, and what profiling it takes on top.'),
  attention_sinks: z.boolean().default(false),
});

export const modelSchema = z.strictObject({
  title: z.string(),
  capabilities: z.array(z.enum(['chat', 'tools', 'vision', 'reasoning', 'embeddings'])),
  max_context: z.int().positive(),
  dtypes: z
    .array(z.enum(['bfloat16', 'float16']))
    .min(1)
    .default(['bfloat16', 'float16'])
    .describe('What it can be computed in. float16 overflows in some models.'),
  shape: shapeSchema.describe('From its config.json: what the memory is computed from.'),
  variants: z.array(variantSchema).min(1).describe('Largest first.'),
  engine: engineSettings.default({}),
  swap: swapSchema,
  on: z
    .record(z.string(), z.strictObject({ variant: z.string(), engine: engineSettings.default({}) }))
    .default({})
    .describe('What suits a GPU profile better than what the arithmetic finds.'),
});

export type GpuProfile = { readonly name: string } & z.output<typeof gpuSchema>;
export type Tuning = { readonly name: string } & z.output<typeof tuningSchema>;
export type TuningChange = z.output<typeof changeSchema>;
export type ModelProfile = { readonly name: string } & z.output<typeof modelSchema>;
export type ModelVariant = ModelProfile['variants'][number];
export type ModelShape = ModelProfile['shape'];
