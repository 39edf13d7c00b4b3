import type { Peek, PromptLogprobsField, Route } from '../core/call.ts';
import { GatewayError } from '../core/errors.ts';
import { silentChars } from './canonical.ts';
import { isDeterministic } from './deterministic.ts';
import type { JsonObject, ParsedBody } from './json-body.ts';
import { checkMediaUrls } from './media-urls.ts';

const MAX_CHOICES = 128;
const MAX_PROMPTS = 1_024;
const MAX_MESSAGES = 2_048;
const MAX_TOOLS = 512;
/** What a rerank or a score may compare: Cohere's own limit. */
const MAX_DOCUMENTS = 10_000;
const DOCUMENTS = ['documents', 'queries', 'items', 'text_1', 'text_2', 'data_1', 'data_2'];
const MAX_STOPS = 16;
/** More than any vocabulary has; what a worker grants is up to its `--max-logprobs`. */
const MAX_LOGPROBS = 500_000;
const MAX_MODEL_NAME = 512;
const PROMPT_HEAD_CHARS = 256;
const MAX_SESSION_NAME = 256;

/** Where a request may ask for several answers to one prompt. */
const CHOOSING: ReadonlySet<string> = new Set(['/v1/chat/completions', '/v1/chat/completions/batch', '/v1/completions']);
/** Where a request may carry several prompts, by path; elsewhere the same name is a field that nobody reads. */
const PROMPTS: Readonly<Record<string, 'prompt' | 'input' | 'texts' | 'messages' | 'items'>> = {
  '/v1/chat/completions/batch': 'messages',
  '/v2/embed': 'texts',
  '/generative_scoring': 'items',
  '/v1/completions': 'prompt',
  '/v1/embeddings': 'input',
  '/pooling': 'input',
  '/classify': 'input',
};

/**
 * Reads what the gateway must know of a JSON request and refuses what would hurt a worker (older vLLM dies of some of it:
 * CVE-2026-34756 unbounded n, CVE-2026-73559 prompt lists). Everything else is left for the worker to judge.
 * @throws invalid_value with `param`
 */
export function peek(body: ParsedBody, { path, whole }: Pick<Route, 'path' | 'whole'>): Peek {
  const { value } = body;
  const model = optionalString(value, 'model', MAX_MODEL_NAME);
  const stream = optionalBoolean(value, 'stream') ?? false;
  if (!stream && value['stream_options'] != null) throw invalid('stream_options', 'is allowed only when `stream` is true');
  const maxTokens = answerLimit(value, path);
  const n = optionalInteger(value, 'n', 1, MAX_CHOICES) ?? 1;
  optionalInteger(value, 'best_of', 1, MAX_CHOICES);
  optionalInteger(value, 'top_logprobs', -1, MAX_LOGPROBS);
  optionalInteger(value, 'prompt_logprobs', -1, MAX_LOGPROBS);
  if (typeof value['logprobs'] === 'number') optionalInteger(value, 'logprobs', -1, MAX_LOGPROBS);
  optionalNumber(value, 'temperature');
  optionalNumber(value, 'top_p');
  lengthAtMost(value, 'messages', MAX_MESSAGES);
  lengthAtMost(value, 'tools', MAX_TOOLS);
  lengthAtMost(value, 'stop', MAX_STOPS);
  for (const key of DOCUMENTS) lengthAtMost(value, key, MAX_DOCUMENTS);
  checkMediaUrls(value);
  return {
    model,
    stream: stream && whole !== true,
    promptChars: body.textChars,
    promptHead: promptHead(value),
    maxTokens,
    choices: (CHOOSING.has(path) ? n : 1) * promptCount(value, PROMPTS[path]),
    promptLogprobs: promptLogprobsField(value),
    // OpenAI's word for the cheaper class that waits for others; its other tiers ask for what every call gets.
    hasTime: value['service_tier'] === 'flex',
    promptCacheKey: sessionName(value['prompt_cache_key']),
    user: sessionName(value['user']),
    enginePriority: enginePriority(value['priority']),
    streamInterval: streamInterval(value),
    decidingChars: isDeterministic(value, path) ? body.textChars - silentChars(value, path) : null,
    previous: path === '/v1/responses' ? optionalString(value, 'previous_response_id', MAX_MODEL_NAME) : null,
  };
}

/** How many tokens an answer may have. Each route reads a field of its own; all three are held to being numbers wherever they stand. */
function answerLimit(value: JsonObject, path: string): number | null {
  const ofChats = optionalInteger(value, 'max_completion_tokens', 1);
  // With its prompt echoed a completion may want nothing besides.
  const plain = optionalInteger(value, 'max_tokens', value['echo'] === true && path === '/v1/completions' ? 0 : 1);
  const ofResponses = optionalInteger(value, 'max_output_tokens', 1);
  switch (path) {
    case '/v1/responses':
      return ofResponses;
    case '/v1/completions':
    case '/v1/messages':
      return plain;
    default:
      return ofChats ?? plain;
  }
}

/** What vLLM makes of it: a token an event, and anything that it would refuse. */
function streamInterval({ stream_interval: interval }: JsonObject): number {
  return typeof interval === 'number' && interval > 1 && Number.isInteger(interval) ? interval : 1;
}

/** What a field says that names a conversation. A worker may take more; it is none of our business. */
function sessionName(item: unknown): string | null {
  return typeof item === 'string' && item !== '' && item.length <= MAX_SESSION_NAME ? item : null;
}

/** As vLLM reads it, which takes "3", "1_000" and true for numbers (pydantic). */
function enginePriority(item: unknown): number | null {
  switch (typeof item) {
    case 'undefined':
      return null;
    case 'string':
      return Number(item.replaceAll('_', ''));
    case 'number':
    case 'boolean':
      return Number(item);
    default:
      return NaN;
  }
}

/** How many prompts a completion or embedding request carries: a list of strings or of token lists counts each. */
function promptCount(value: JsonObject, param: string | undefined): number {
  const prompt = param && value[param];
  if (!Array.isArray(prompt) || !(typeof prompt[0] === 'string' || Array.isArray(prompt[0]))) return 1;
  lengthAtMost(value, param!, param === 'prompt' ? MAX_PROMPTS : MAX_MESSAGES);
  return Math.max(1, prompt.length);
}

/** The beginning of the text, by which requests that share a prefix are recognized. */
function promptHead(value: JsonObject): string {
  const { messages } = value;
  if (!Array.isArray(messages)) {
    const prompt = value['prompt'] ?? value['input'];
    return typeof prompt === 'string' ? prompt.slice(0, PROMPT_HEAD_CHARS) : '';
  }
  let head = '';
  for (const message of messages) {
    const content: unknown = message?.content;
    if (typeof content === 'string') head += content.slice(0, PROMPT_HEAD_CHARS);
    if (head.length >= PROMPT_HEAD_CHARS) break;
  }
  return head.slice(0, PROMPT_HEAD_CHARS);
}

/**
 * The field by which a body has vLLM work out the log-probabilities of its prompt; null when nothing does. A number of 0 asks as well: it
 * is that of the alternatives to each token. Where `prompt_logprobs` is left out, `echo` stands for it: in a completion with as many as
 * `logprobs` says, if it says, and in a chat with `top_logprobs`, which is 0 unless it is null (vLLM's `to_sampling_params`).
 */
function promptLogprobsField(value: JsonObject): PromptLogprobsField | null {
  if (value['prompt_logprobs'] != null) return 'prompt_logprobs';
  const { echo } = value;
  // vLLM takes 1 and "yes" for true.
  if (echo == null || echo === false || echo === 0) return null;
  if (value['messages'] !== undefined) return value['top_logprobs'] === null ? null : 'echo';
  return value['logprobs'] == null ? null : 'logprobs';
}

function optionalString(value: JsonObject, key: string, maxLength: number): string | null {
  const item = value[key];
  if (item == null) return null;
  if (typeof item !== 'string') throw invalid(key, `must be a string, but it is ${describe(item)}`);
  if (item.length > maxLength) throw invalid(key, `must have at most ${maxLength} characters`);
  return item;
}

function optionalBoolean(value: JsonObject, key: string): boolean | null {
  const item = value[key];
  if (item == null) return null;
  if (typeof item !== 'boolean') throw invalid(key, `must be a boolean, but it is ${describe(item)}`);
  return item;
}

function optionalNumber(value: JsonObject, key: string): void {
  const item = value[key];
  if (item == null) return;
  if (typeof item !== 'number') throw invalid(key, `must be a number, but it is ${describe(item)}`);
  if (item < 0) throw invalid(key, `must not be negative, but it is ${item}`);
}

function optionalInteger(value: JsonObject, key: string, least: number, most = Number.MAX_SAFE_INTEGER): number | null {
  const item = value[key];
  if (item == null) return null;
  if (typeof item !== 'number' || !Number.isInteger(item)) throw invalid(key, `must be an integer, but it is ${describe(item)}`);
  if (item < least) throw invalid(key, `must be at least ${least}, but it is ${item}`);
  if (item > most) throw invalid(key, `must be at most ${most}, but it is ${item}`);
  return item;
}

function lengthAtMost(value: JsonObject, key: string, most: number): void {
  const item = value[key];
  if (Array.isArray(item) && item.length > most) throw invalid(key, `must have at most ${most} items, but it has ${item.length}`);
}

/** Names the kind of a value; its content stays out of messages and logs. */
function describe(item: unknown): string {
  if (item === null) return 'null';
  if (Array.isArray(item)) return 'an array';
  if (typeof item === 'number') return `the number ${item}`;
  return typeof item === 'object' ? 'an object' : `a ${typeof item}`;
}

function invalid(param: string, problem: string): GatewayError {
  return new GatewayError('invalid_value', `Invalid value for '${param}': it ${problem}.`, { param });
}
