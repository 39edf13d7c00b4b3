import { KNOWN_MODELS, type ModelShape, PLAIN } from './known-models.ts';
import type { SimulatedModel, WeightFormat } from './simulated-model.ts';

/** The weights' format, from the `--quantization` flag or the words that publishers put into names. */
function weightFormat(name: string, quantization: string | null): WeightFormat {
  const words = `${name} ${quantization ?? ''}`;
  if (/gpt-oss|mxfp4/i.test(words)) return 'mxfp4';
  if (/awq|gptq|4-?bit|int4|w4a16|nf4|nvfp4|bitsandbytes/i.test(words)) return '4-bit';
  if (/fp8|int8|8-?bit|w8a/i.test(words)) return '8-bit';
  return '16-bit';
}

/** Billions of parameters in a name such as `Qwen2.5-1.5B-Instruct`; null when the name does not say. */
function parametersInName(name: string): number | null {
  const match = /(?:^|[^a-z0-9.])(\d+(?:\.\d+)?)(b|m)(?![a-z0-9])/i.exec(name.split('/').at(-1) ?? name);
  if (match === null) return null;
  return Number(match[1]) * (match[2]!.toLowerCase() === 'm' ? 0.001 : 1);
}

/** A plausible shape for a model of `parametersB` billions that is not in the table. */
function guessShape(parametersB: number): ModelShape {
  const large = parametersB > 20;
  const small = parametersB < 3;
  const hidden = large ? 8192 : small ? 1536 : 4096;
  return {
    ...PLAIN,
    architecture: 'LlamaForCausalLM',
    parametersB,
    activeB: parametersB,
    layers: large ? 80 : small ? 24 : 32,
    kvHeads: small ? 2 : 8,
    headDim: 128,
    hidden,
    intermediate: Math.round(hidden * 3.5),
    vocabulary: 128256,
    maxContext: 32768,
    weights: {
      '16-bit': (parametersB * 2e9) / 2 ** 30,
      '8-bit': (parametersB * 1.12e9) / 2 ** 30,
      '4-bit': (parametersB * 0.64e9) / 2 ** 30,
    },
  };
}

/** What is known of a model, or guessed from its name. A name without a size counts as one billion parameters. */
export function describeModel(name: string, quantization: string | null): SimulatedModel {
  const shape = KNOWN_MODELS.find(([pattern]) => pattern.test(name))?.[1] ?? guessShape(parametersInName(name) ?? 1);
  const format = weightFormat(name, quantization);
  const { weights, ...rest } = shape;
  return { ...rest, format, weightsGib: weights[format === 'mxfp4' ? '4-bit' : format] };
}
