import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import type { EngineValue } from '../../gateway/config/schema/settings.ts';
import { FLAGS, type FlagRow } from './flag-table.ts';

/** What is wrong with an engine setting's value. `isSure`: a mistake; otherwise another vLLM, or a plugin of it, might take it. */
export interface WrongValue {
  readonly message: string;
  readonly isSure: boolean;
}

/** Method names of vLLM 0.27 to 0.32 (its QUANTIZATION_METHODS). Its parser takes any, because plugins bring their own. */
const QUANTIZATIONS =
  'auto_awq auto_gptq awq awq_marlin bitsandbytes compressed-tensors deepseek_v4_fp8 experts_int8 fbgemm_fp8 fp8 fp8_per_block fp8_per_channel fp8_per_tensor fp_quant gguf gpt_oss_mxfp4 gptq gptq_marlin humming inc int8_per_channel_weight_only modelopt modelopt_fp4 modelopt_mixed modelopt_mxfp8 moe_wna16 mxfp4 mxfp8 nvfp4_per_token online quark torchao'.split(
    ' ',
  );

/** What the parser of vLLM 0.32 takes besides, by the flag's name. */
const LATER: Readonly<Record<string, readonly string[]>> = {
  'all2all-backend': ['moonep'],
  'gdn-prefill-backend': ['aiter_flydsl'],
  'kda-prefill-backend': ['flashinfer', 'fused'],
  'kv-cache-dtype': ['nvfp4_ds_mla', 'ultraquant_4bit'],
  'moe-backend': [
    'aiter_mega_moe',
    'aiter_triton_mxfp4_bf16',
    'b12x',
    'flashinfer_moe_ep_cutedsl',
    'flashinfer_moe_ep_mega_deep_gemm',
    'rdna3',
  ],
  'spec-method': ['glm5_next_mtp', 'hy_v4_mtp', 'qwen4_exp_mtp'],
};

const ROWS: ReadonlyMap<string, FlagRow> = new Map(FLAGS.map((row) => [row[0].split(' ')[0]!, row]));

/**
 * Holds a value against what vLLM's own parser takes for the flag: a number where it wants one, nothing but true or false for a switch, one
 * of the choices. `setting`: the flag's name, with dashes or underscores. null where nothing is known to be wrong.
 */
export function wrongValue(setting: string, value: EngineValue): WrongValue | null {
  const name = setting.replaceAll('_', '-');
  // null takes a profile's value out; what stands after a dot is a place in a flag's JSON.
  if (value === null || name.includes('.')) return null;
  const negated = /^no-(.+)$/.exec(name)?.[1];
  const row = ROWS.get(`--${name}`) ?? (negated === undefined ? undefined : ROWS.get(`--${negated}`));
  if (!row) return null;
  const [, kind, choices] = row;
  if (kind === 'bool' || kind === 'switch') return typeof value === 'boolean' ? null : wrong('true or false', value);
  if (typeof value === 'boolean') return kind === 'str?' ? null : value ? wrong(WANTED[kind], value) : null;
  if (kind === 'json') return null;
  const several = kind.endsWith('+');
  if (Array.isArray(value) && !several) return wrong('one value', value);
  for (const each of (Array.isArray(value) ? value : [value]) as readonly EngineValue[]) {
    const text = String(each);
    const pattern = PATTERNS[kind];
    if (pattern && !pattern.test(text)) return wrong(WANTED[kind], each);
    const known = choices === undefined ? [] : [...choices.split(' '), ...(LATER[name] ?? [])];
    if (known.length > 0 && !known.includes(text)) return unlisted(text, known);
  }
  return name === 'quantization' ? quantization(String(value)) : null;
}

type Kind = FlagRow[1];

const WHOLE = /^[-+]?\d+$/;
const PATTERNS: Partial<Record<Kind, RegExp>> = {
  int: WHOLE,
  'int+': WHOLE,
  float: /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i,
  // 25600, 25.6k, 1M, 2Gi: as vLLM's human_readable_int takes them.
  human: /^[-+]?\d+(\.\d+)?[kmgt]?i?$/i,
  'human-or-auto': /^(auto|[-+]?\d+(\.\d+)?[kmgt]?i?)$/i,
};
const WANTED: Readonly<Record<Kind, string>> = {
  switch: 'true or false',
  bool: 'true or false',
  int: 'a whole number',
  'int+': 'whole numbers',
  float: 'a number',
  human: 'a number such as 8192 or 8k',
  'human-or-auto': 'a number such as 8192 or 8k, or auto',
  str: 'a value',
  'str+': 'values',
  'str?': 'a value',
  json: 'a group or a list',
};

function wrong(wanted: string, value: EngineValue): WrongValue {
  const got = Array.isArray(value) ? 'a list' : typeof value === 'object' ? 'a group' : JSON.stringify(value);
  return { message: `vllm serve wants ${wanted} here; got ${shortened(got)}`, isSure: true };
}

/** Every release brings choices: one that is not near any may be of a release that this table does not know. */
function unlisted(text: string, choices: readonly string[]): WrongValue {
  const near = nearestName(text, choices);
  if (near !== null) return { message: `vllm serve does not take ${shortened(text)} here; did you mean ${near}?`, isSure: true };
  return { message: `vllm serve up to 0.32 does not take ${shortened(text)} here, but ${choices.join(', ')}`, isSure: false };
}

function quantization(text: string): WrongValue | null {
  if (QUANTIZATIONS.includes(text)) return null;
  const near = nearestName(text, QUANTIZATIONS);
  if (near !== null) return { message: `vLLM has no quantization ${shortened(text)}; did you mean ${near}?`, isSure: true };
  return {
    message: `vLLM has no quantization ${shortened(text)} of its own: only a plugin could bring it. It has ${QUANTIZATIONS.join(', ')}`,
    isSure: false,
  };
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
