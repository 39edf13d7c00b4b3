import { Recital } from '../text/prose.ts';
import { encode } from '../text/tokenizer.ts';
import { embed, likeness, shortened } from '../text/vectors.ts';
import { badRequest, badValue } from '../request/api-error.ts';
import { chatPrompt } from './chat-prompt.ts';
import { nowSeconds } from '../request/exchange.ts';
import type { Exchange } from '../request/exchange.ts';
import { isObject } from '../request/fields.ts';
import type { BodyShape, JsonObject } from '../request/fields.ts';
import { runToEnd } from '../request/job.ts';
import { checkModel, modelName } from '../request/models.ts';
import { promptsOf } from '../request/prompts.ts';
import { fitContext, newChoice, readSampling } from '../request/sampling.ts';

const MAX_DIMENSIONS = 1024;

const EMBED_SHAPE: BodyShape = {
  required: [],
  kinds: { model: 'str', encoding_format: 'str', dimensions: 'int', messages: 'list', user: 'str', truncate_prompt_tokens: 'int' },
};

/** Runs prompts through the engine without asking for a token. */
async function readPrompts(exchange: Exchange, body: JsonObject, prompts: readonly (readonly number[])[]): Promise<void> {
  const sampling = readSampling(exchange.sim, { seed: body['seed'] });
  const choices = prompts.map((prompt, index) => {
    fitContext(exchange.sim, prompt.length, null);
    return newChoice(sampling, index, prompt, 0, new Recital([]));
  });
  await runToEnd(exchange, choices);
}

function inputPrompts(body: JsonObject): number[][] {
  if (Array.isArray(body['messages'])) return [chatPrompt(body['messages'], body)];
  const { input } = body;
  if (Array.isArray(input) && input.length > 0 && input.every((item) => isObject(item) && 'role' in item)) return [chatPrompt(input, body)];
  return promptsOf(input, 'input');
}

function truncated(body: JsonObject, prompts: readonly number[][]): number[][] {
  const most = body['truncate_prompt_tokens'];
  return typeof most === 'number' && most > 0 ? prompts.map((prompt) => prompt.slice(-most)) : [...prompts];
}

function poolingUsage(prompts: readonly (readonly number[])[]): object {
  const tokens = prompts.reduce((sum, prompt) => sum + prompt.length, 0);
  return {
    prompt_tokens: tokens,
    total_tokens: tokens,
    completion_tokens: 0,
    prompt_tokens_details: null,
    completion_tokens_details: null,
  };
}

/** Little-endian float32: OpenAI's clients read vectors so. */
function base64Of(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, at) => bytes.writeFloatLE(value, at * 4));
  return bytes.toString('base64');
}

function encoded(vector: Float32Array, format: string): number[] | string {
  return format === 'base64' ? base64Of(vector) : [...vector];
}

function checkEmbedding(body: JsonObject): { readonly format: string; readonly dimensions: number | null } {
  if ('normalize' in body) throw badRequest('The field `normalize` has been removed; use `use_activation`.', 'normalize');
  const format = typeof body['encoding_format'] === 'string' ? body['encoding_format'] : 'float';
  if (format !== 'float' && format !== 'base64')
    throw badRequest(`encoding_format ${format} is not supported by the simulated engine`, 'encoding_format');
  const dimensions = typeof body['dimensions'] === 'number' ? body['dimensions'] : null;
  if (dimensions !== null && (dimensions < 1 || dimensions > MAX_DIMENSIONS)) {
    throw badValue(`dimensions must be between 1 and ${MAX_DIMENSIONS}, got ${dimensions}.`, 'dimensions', String(dimensions));
  }
  return { format, dimensions };
}

/** `POST /v1/embeddings` */
export async function embeddings(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson(EMBED_SHAPE);
  checkModel(exchange, body, true);
  const { format, dimensions } = checkEmbedding(body);
  const prompts = truncated(body, inputPrompts(body));
  await readPrompts(exchange, body, prompts);
  const data = prompts.map((prompt, index) => {
    const vector = embed(prompt, MAX_DIMENSIONS);
    return { index, object: 'embedding', embedding: encoded(dimensions === null ? vector : shortened(vector, dimensions), format) };
  });
  exchange.json(200, {
    id: `embd-${exchange.requestId(body)}`,
    object: 'list',
    created: nowSeconds(),
    model: modelName(exchange),
    data,
    usage: poolingUsage(prompts),
  });
}

/** `POST /pooling` */
export async function pooling(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson(EMBED_SHAPE);
  checkModel(exchange, body, true);
  const { format } = checkEmbedding(body);
  const prompts = truncated(body, inputPrompts(body));
  await readPrompts(exchange, body, prompts);
  exchange.json(200, {
    id: `pool-${exchange.requestId(body)}`,
    object: 'list',
    created: nowSeconds(),
    model: modelName(exchange),
    data: prompts.map((prompt, index) => ({ index, object: 'pooling', data: encoded(embed(prompt, MAX_DIMENSIONS), format) })),
    usage: poolingUsage(prompts),
  });
}

function textsOf(value: unknown, field: string): string[] {
  const list = Array.isArray(value) ? value : [value];
  const texts = list.map((item: unknown) =>
    typeof item === 'string' ? item : isObject(item) && typeof item['text'] === 'string' ? item['text'] : null,
  );
  if (texts.length === 0 || texts.includes(null)) throw badRequest(`${field} must be a string or a list of strings.`, field);
  return texts as string[];
}

/** A number in 0..1 that is higher for texts with more words in common. */
function relevance(one: readonly number[], other: readonly number[]): number {
  return 1 / (1 + Math.exp(-6 * (likeness(embed(one, MAX_DIMENSIONS), embed(other, MAX_DIMENSIONS)) - 0.3)));
}

/** `POST /score`: one text against one or many, or two lists side by side. */
export async function score(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson({ required: [], kinds: { model: 'str' } });
  checkModel(exchange, body, true);
  const left = textsOf(body['text_1'] ?? body['data_1'] ?? body['queries'], 'text_1').map(encode);
  const right = textsOf(body['text_2'] ?? body['data_2'] ?? body['documents'], 'text_2').map(encode);
  if (left.length !== 1 && left.length !== right.length) throw badRequest('Input lengths must be either 1:1, 1:N or N:N', 'text_1');
  const pairs = right.map((other, at) => [left[left.length === 1 ? 0 : at]!, other] as const);
  const prompts = pairs.map(([one, other]) => [...one, ...other]);
  await readPrompts(exchange, body, prompts);
  exchange.json(200, {
    id: `score-${exchange.requestId(body)}`,
    object: 'list',
    created: nowSeconds(),
    model: modelName(exchange),
    data: pairs.map(([one, other], index) => ({ index, object: 'score', score: relevance(one, other) })),
    usage: poolingUsage(prompts),
  });
}

/** `POST /rerank`: documents in the order of their likeness to a query. */
export async function rerank(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson({
    required: ['query', 'documents'],
    kinds: { model: 'str', query: 'str', documents: 'list', top_n: 'int' },
  });
  checkModel(exchange, body, true);
  const query = encode(String(body['query']));
  const texts = textsOf(body['documents'], 'documents');
  const prompts = texts.map((text) => [...query, ...encode(text)]);
  await readPrompts(exchange, body, prompts);
  const results = texts
    .map((text, index) => ({ index, document: { text }, relevance_score: relevance(query, encode(text)) }))
    .sort((one, other) => other.relevance_score - one.relevance_score);
  const most = typeof body['top_n'] === 'number' && body['top_n'] > 0 ? body['top_n'] : results.length;
  const tokens = prompts.reduce((sum, prompt) => sum + prompt.length, 0);
  exchange.json(200, {
    id: `rerank-${exchange.requestId(body)}`,
    model: modelName(exchange),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    results: results.slice(0, most),
  });
}

const LABELS = ['LABEL_0', 'LABEL_1'];

/** `POST /classify` */
export async function classify(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson(EMBED_SHAPE);
  checkModel(exchange, body, true);
  const prompts = inputPrompts(body);
  await readPrompts(exchange, body, prompts);
  const data = prompts.map((prompt, index) => {
    const first = (embed(prompt, 16)[0]! + 1) / 2;
    const probs = [first, 1 - first];
    return { index, label: LABELS[first >= 0.5 ? 0 : 1], probs, num_classes: 2 };
  });
  exchange.json(200, {
    id: `classify-${exchange.requestId(body)}`,
    object: 'list',
    created: nowSeconds(),
    model: modelName(exchange),
    data,
    usage: poolingUsage(prompts),
  });
}
