import { isMatryoshka } from '../model/kinds.ts';
import { badRequest, badValue } from '../request/api-error.ts';
import { nowSeconds, type Exchange } from '../request/exchange.ts';
import type { JsonObject } from '../request/fields.ts';
import { modelName } from '../request/models.ts';
import { embed, shortened } from '../text/vectors.ts';
import { answerList, DIMENSIONS, poolingUsage, readPrompts, tokensOf } from './reading.ts';

/** Throws ApiError for what vLLM refuses before it reads anything. */
export function checkEncoding(exchange: Exchange, body: JsonObject): void {
  const { dimensions } = body;
  // vllm/entrypoints/pooling/base/protocol.py of 0.32
  if ('normalize' in body) throw badValue('Parameter `normalize` was removed; use `use_activation` instead.', 'normalize');
  if (typeof dimensions !== 'number') return;
  if (isMatryoshka(exchange.sim.settings.model)) {
    if (dimensions >= 1 && dimensions <= DIMENSIONS) return;
    throw badValue(`dimensions must be between 1 and ${DIMENSIONS}, got ${dimensions}.`, 'dimensions', String(dimensions));
  }
  const name = modelName(exchange);
  throw badRequest(`Model '${name}' does not support Matryoshka embeddings; dimensions must be unset (received dimensions=${dimensions}).`);
}

/** Reads prompts and answers with their vectors, each under the name `field`. */
export async function answerVectors(
  exchange: Exchange,
  body: JsonObject,
  prompts: readonly (readonly number[])[],
  { kind, object, field }: { readonly kind: string; readonly object: string; readonly field: string },
): Promise<void> {
  await readPrompts(exchange, body, prompts);
  const { dimensions } = body;
  const whole = prompts.map((prompt) => embed(prompt, DIMENSIONS));
  const vectors = typeof dimensions === 'number' ? whole.map((vector) => shortened(vector, dimensions)) : whole;
  const format = String(body['encoding_format'] ?? 'float');
  if (format.startsWith('bytes'))
    return answerBytes(exchange, body, vectors, { kind, object, tokens: tokensOf(prompts), bare: format === 'bytes_only' });
  const data = vectors.map((vector, index) => ({
    index,
    object,
    [field]: format === 'base64' ? bytesOf(vector).toString('base64') : [...vector],
  }));
  answerList(exchange, body, kind, data, prompts);
}

/** Little-endian float32: OpenAI's clients read vectors so. */
function bytesOf(vector: Float32Array): Buffer {
  const bytes = Buffer.alloc(vector.length * 4);
  vector.forEach((value, at) => bytes.writeFloatLE(value, at * 4));
  return bytes;
}

/** All vectors after each other; where each lies is told in a header (vllm/entrypoints/pooling/embed/serving.py of 0.32). */
function answerBytes(
  exchange: Exchange,
  body: JsonObject,
  vectors: readonly Float32Array[],
  { kind, object, tokens, bare }: { readonly kind: string; readonly object: string; readonly tokens: number; readonly bare: boolean },
): void {
  const parts = vectors.map(bytesOf);
  const data = vectors.map((vector, index) => ({
    index,
    object,
    start: index * vector.length * 4,
    end: (index + 1) * vector.length * 4,
    shape: [vector.length],
  }));
  const frame = { id: `${kind}-${exchange.requestId(body)}`, created: nowSeconds(), model: modelName(exchange) };
  const metadata = { ...frame, data, usage: poolingUsage(tokens) };
  exchange.chunked('application/octet-stream', Buffer.concat(parts), bare ? [] : ['metadata', JSON.stringify(metadata)]);
}
