import { badRequest } from '../request/api-error.ts';
import { type Exchange, nowSeconds } from '../request/exchange.ts';
import { isObject } from '../request/fields.ts';
import { checkModel, modelName } from '../request/models.ts';
import { encode } from '../text/tokenizer.ts';
import { embed, likeness } from '../text/vectors.ts';
import { answerList, DIMENSIONS, poolingUsage, readPrompts, tokensOf } from './reading.ts';

function textsOf(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  return list.map((item) => (isObject(item) ? String(item['text'] ?? '') : String(item)));
}

/** A number in 0..1 that is higher for texts with more words in common. */
function relevance(one: readonly number[], other: readonly number[]): number {
  return 1 / (1 + Math.exp(-6 * (likeness(embed(one, DIMENSIONS), embed(other, DIMENSIONS)) - 0.3)));
}

/** Throws ApiError unless the two sides can be paired (vllm/entrypoints/pooling/scoring/utils.py of 0.32). */
function checkPairs(left: number, right: number): void {
  if (left > 1 && left !== right) throw badRequest('Input lengths must be either 1:1, 1:N or N:N');
  if (left === 0) throw badRequest('At least one text element must be given');
  if (right === 0) throw badRequest('At least one text_pair element must be given');
}

/** `POST /score`: one text against one or many, or two lists side by side. */
export async function score(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('score');
  checkModel(exchange, body, true);
  const left = textsOf(body['queries'] ?? body['data_1'] ?? body['text_1']).map(encode);
  const right = textsOf(body['documents'] ?? body['items'] ?? body['data_2'] ?? body['text_2']).map(encode);
  checkPairs(left.length, right.length);
  const pairs = right.map((other, at) => [left[left.length === 1 ? 0 : at]!, other] as const);
  const prompts = pairs.map(([one, other]) => [...one, ...other]);
  await readPrompts(exchange, body, prompts);
  const data = pairs.map(([one, other], index) => ({ index, object: 'score', score: relevance(one, other) }));
  answerList(exchange, body, 'score', data, prompts);
}

/** `POST /rerank`: documents in the order of their likeness to a query. */
export async function rerank(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('rerank');
  checkModel(exchange, body, true);
  const [query] = textsOf(body['query']).map(encode);
  const texts = textsOf(body['documents']);
  checkPairs(1, texts.length);
  const prompts = texts.map((text) => [...query!, ...encode(text)]);
  await readPrompts(exchange, body, prompts);
  const results = texts
    .map((text, index) => ({ index, document: { text, multi_modal: null }, relevance_score: relevance(query!, encode(text)) }))
    .sort((one, other) => other.relevance_score - one.relevance_score);
  const most = Number(body['top_n'] ?? 0) || results.length;
  const tokens = tokensOf(prompts);
  exchange.json(200, {
    id: `score-${exchange.requestId(body)}`,
    model: modelName(exchange),
    usage: { prompt_tokens: tokens, total_tokens: tokens },
    results: results.slice(0, most),
  });
}

/** `POST /generative_scoring`: how likely a generating model finds one word of a few, one figure an item. */
export async function generativeScoring(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson({
    required: ['query', 'items', 'label_token_ids'],
    kinds: { model: 'str', items: 'list', label_token_ids: 'list' },
  });
  checkModel(exchange, body);
  const query = encode(textsOf(body['query']).join(''));
  const items = textsOf(body['items']).map(encode);
  const prompts = items.map((item) => [...query, ...item]);
  await readPrompts(exchange, body, prompts);
  exchange.json(200, {
    id: `generative-scoring-${exchange.requestId(body)}`,
    object: 'list',
    created: nowSeconds(),
    model: modelName(exchange),
    data: items.map((item, index) => ({ index, object: 'score', score: relevance(query, item) })),
    usage: poolingUsage(tokensOf(prompts), prompts.length),
  });
}
