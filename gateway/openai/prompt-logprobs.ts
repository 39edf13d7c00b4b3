import type { PromptLogprobsField } from '../core/call.ts';
import type { JsonObject } from './json-body.ts';

/**
 * The field by which a body has vLLM work out the log-probabilities of its prompt; null when nothing does. A number of 0 asks as well: it
 * is that of the alternatives to each token. Where `prompt_logprobs` is left out, `echo` stands for it: in a completion with as many as
 * `logprobs` says, if it says, and in a chat with `top_logprobs`, which is 0 unless it is null (vLLM's `to_sampling_params`).
 */
export function promptLogprobsField(value: JsonObject): PromptLogprobsField | null {
  if (value['prompt_logprobs'] != null) return 'prompt_logprobs';
  const { echo } = value;
  // vLLM takes 1 and "yes" for true.
  if (echo == null || echo === false || echo === 0) return null;
  if (value['messages'] !== undefined) return value['top_logprobs'] === null ? null : 'echo';
  return value['logprobs'] == null ? null : 'logprobs';
}
