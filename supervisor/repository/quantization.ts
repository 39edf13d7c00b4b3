import type { QuantizationName } from '../profile/quantizations.ts';
import { isRecord } from './fields.ts';

/** How a config.json says that the weights are stored. A way that nobody here knows counts as none: the size of its files is known all the same. */
export function quantizationOf(config: unknown): QuantizationName {
  const stated = isRecord(config) ? (config['quantization_config'] ?? config['compression_config'] ?? inner(config)) : undefined;
  if (!isRecord(stated)) return 'none';
  const method = String(stated['quant_method'] ?? '').toLowerCase();
  const bits = typeof stated['bits'] === 'number' ? stated['bits'] : 4;
  if (/awq/.test(method)) return 'awq';
  if (/gptq|auto-round|autoround/.test(method)) return bits === 8 ? 'gptq_int8' : 'gptq';
  if (method === 'compressed-tensors') return compressed(stated);
  if (/mxfp4/.test(method)) return 'mxfp4';
  // NVIDIA's tool writes several formats under one name.
  if (/modelopt|nvfp4/.test(method)) return /fp8/i.test(algorithm(stated)) ? 'fp8' : 'nvfp4';
  if (/fp8/.test(method)) return 'fp8';
  if (/bitsandbytes/.test(method) || stated['load_in_4bit'] === true || stated['load_in_8bit'] === true) return 'bitsandbytes';
  return /gguf/.test(method) ? 'gguf' : 'none';
}

function inner(config: Readonly<Record<string, unknown>>): unknown {
  const text = config['text_config'];
  return isRecord(text) ? text['quantization_config'] : undefined;
}

/** The format of all weights, or else of the first group of them. */
function compressed(stated: Readonly<Record<string, unknown>>): QuantizationName {
  const groups = isRecord(stated['config_groups']) ? Object.values(stated['config_groups']).filter(isRecord) : [];
  const format = String(stated['format'] ?? '');
  const formats = [format, ...groups.map((group) => String(group['format'] ?? ''))].join(' ');
  if (/nvfp4/.test(formats)) return 'nvfp4';
  if (/float/.test(formats)) return 'fp8';
  if (/int-quantized/.test(formats)) return 'int8';
  const weights = groups.map((group) => group['weights']).find(isRecord);
  return weights?.['num_bits'] === 8 ? 'gptq_int8' : 'w4a16';
}

function algorithm(stated: Readonly<Record<string, unknown>>): string {
  const nested = isRecord(stated['quantization']) ? stated['quantization']['quant_algo'] : undefined;
  return String(stated['quant_algo'] ?? nested ?? '');
}
