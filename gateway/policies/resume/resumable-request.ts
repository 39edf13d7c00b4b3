import type { Call } from '../../core/call.ts';
import { isObject, parsed } from '../../core/json/json.ts';
import type { JsonObject } from '../../openai/json-body.ts';
import type { NotResumed } from './refusals.ts';

/** What of a request decides how it goes on. */
export interface ResumableRequest {
  readonly kind: 'completion' | 'chat';
  /** Fields of the body that limit the answer, and what they say; vLLM's own limit for a completion that has none. */
  readonly limits: Readonly<Record<string, number>>;
  readonly minTokens: number;
  /** It cuts its prompt, which must not be cut again. */
  readonly cutsPrompt: boolean;
}

/** A longer request is not read once more. */
const MAX_REQUEST_BYTES = 1_048_576;
/** What vLLM generates for a text completion without a limit (vllm/entrypoints/openai/completion/protocol.py). */
const COMPLETION_TOKENS = 16;
const KINDS: Readonly<Record<string, ResumableRequest['kind']>> = { '/v1/completions': 'completion', '/v1/chat/completions': 'chat' };
const ENGINE_FIELDS = ['kv_transfer_params', 'ec_transfer_params', 'vllm_xargs', 'logits_processors', 'repetition_detection'];
const STRUCTURES = ['structured_outputs', 'guided_json', 'guided_regex', 'guided_choice', 'guided_grammar', 'structural_tag'];

/** What the stream of a call would go on by, or why it never does. Pure. */
export function resumableRequest({ route, peek, body }: Pick<Call, 'route' | 'peek' | 'body'>): ResumableRequest | NotResumed {
  const kind = KINDS[route.path];
  if (kind === undefined) return 'route';
  if (peek.choices !== 1) return 'several_answers';
  if (body.bytes.length > MAX_REQUEST_BYTES) return 'too_long';
  const value = parsed(body.bytes.toString('utf8'));
  if (!isObject(value)) return 'unreadable';
  const refusal = refusalOf(value) ?? (kind === 'chat' ? refusalOfChat(value) : refusalOfCompletion(value));
  if (refusal !== null) return refusal;
  return {
    kind,
    limits: kind === 'chat' ? numbers(value, ['max_tokens', 'max_completion_tokens']) : { max_tokens: limitOfCompletion(value) },
    minTokens: typeof value['min_tokens'] === 'number' ? value['min_tokens'] : 0,
    cutsPrompt: value['truncate_prompt_tokens'] != null,
  };
}

function refusalOf(value: JsonObject): NotResumed | null {
  if (isMoreThan(value['best_of'], 1)) return 'several_answers';
  if (isOn(value['use_beam_search'])) return 'beam_search';
  if (value['prompt_logprobs'] != null) return 'prompt_logprobs';
  if (isOn(value['logprobs']) || typeof value['logprobs'] === 'number' || value['logprob_token_ids'] != null) return 'logprobs';
  if (isOn(value['return_token_ids'])) return 'token_ids';
  if (isOn(value['echo'])) return 'echo';
  if (isOn(value['suffix'])) return 'suffix';
  if (isSet(value['presence_penalty']) || isSet(value['frequency_penalty'])) return 'penalties';
  const format = value['response_format'];
  if (format != null && !(isObject(format) && format['type'] === 'text')) return 'structured_output';
  if (STRUCTURES.some((name) => value[name] != null)) return 'structured_output';
  return ENGINE_FIELDS.some((name) => value[name] != null) ? 'engine_fields' : null;
}

function refusalOfCompletion(value: JsonObject): NotResumed | null {
  const { prompt } = value;
  const single = Array.isArray(prompt) && prompt.length === 1 && typeof prompt[0] !== 'number' ? (prompt[0] as unknown) : prompt;
  const isIds = Array.isArray(single) && single.length > 0 && single.every((id) => typeof id === 'number');
  if (!(typeof single === 'string' || isIds) || value['prompt_embeds'] != null) return 'prompt';
  // The engine holds as many characters back, whose tokens it has told: their text would never come.
  return longestStop(value) > 1 ? 'stop_strings' : null;
}

function refusalOfChat(value: JsonObject): NotResumed | null {
  const { messages, tools, tool_choice: choice } = value;
  if (isOn(value['continue_final_message']) || value['add_generation_prompt'] === false) return 'prefilled';
  const isOffered = Array.isArray(tools) ? tools.length > 0 : tools != null;
  if (choice !== 'none' && (isOffered || value['functions'] != null)) return 'tools';
  if (value['include_reasoning'] === false) return 'hidden_reasoning';
  if (!Array.isArray(messages) || value['audio'] != null) return 'multimodal';
  if (!(messages as unknown[]).every((message) => isObject(message) && isText(message['content']))) return 'multimodal';
  // What is held back was never sent, and is generated again. Where nothing is, one may have begun in what was sent.
  return isOn(value['include_stop_str_in_output']) && longestStop(value) > 1 ? 'stop_strings' : null;
}

/** A text, or parts that are. */
function isText(content: unknown): boolean {
  if (content == null || typeof content === 'string') return true;
  return Array.isArray(content) && content.every((part) => typeof part === 'string' || (isObject(part) && part['type'] === 'text'));
}

function limitOfCompletion(value: JsonObject): number {
  return typeof value['max_tokens'] === 'number' ? value['max_tokens'] : COMPLETION_TOKENS;
}

function numbers(value: JsonObject, names: readonly string[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (const name of names) {
    const item = value[name];
    if (typeof item === 'number') found[name] = item;
  }
  return found;
}

function longestStop({ stop }: JsonObject): number {
  const all = Array.isArray(stop) ? (stop as unknown[]) : [stop];
  return Math.max(0, ...all.map((each) => (typeof each === 'string' ? each.length : 0)));
}

/** As vLLM reads a truth value: 1 and "yes" are true. */
function isOn(item: unknown): boolean {
  return item != null && item !== false && item !== 0 && item !== '' && item !== 'false';
}

function isSet(item: unknown): boolean {
  return item != null && Number(item) !== 0;
}

function isMoreThan(item: unknown, least: number): boolean {
  return item != null && !(Number(item) <= least);
}
