import { PythonError } from '../python/values.ts';
import { badRequest, invalidFields } from '../request/api-error.ts';
import type { Exchange } from '../request/exchange.ts';
import type { JsonObject } from '../request/fields.ts';
import { checkModel } from '../request/models.ts';
import { embed } from '../text/vectors.ts';
import { answerVectors, checkEncoding } from './encoding.ts';
import { answerList, inputPrompts, isConversation, readPrompts } from './reading.ts';

/** `POST /v1/embeddings` */
export async function embeddings(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('embedding', asMessages);
  checkModel(exchange, body, true);
  checkEncoding(exchange, body);
  await answerVectors(exchange, body, inputPrompts(body), { kind: 'embd', object: 'embedding', field: 'embedding' });
}

/** A conversation may come under either name (EmbeddingChatInputRequest of 0.32). */
function asMessages(body: JsonObject): JsonObject {
  return !('messages' in body) && isConversation(body['input']) ? { ...body, messages: body['input'] } : body;
}

/** `POST /pooling` */
export async function pooling(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('pooling');
  checkModel(exchange, body, true);
  checkEncoding(exchange, body);
  await answerVectors(exchange, body, inputPrompts(body), { kind: 'pooling', object: 'pooling', field: 'data' });
}

const LABELS = ['LABEL_0', 'LABEL_1'];

/** `POST /classify` */
export async function classify(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('classify');
  checkModel(exchange, body, true);
  const prompts = inputPrompts(body);
  await readPrompts(exchange, body, prompts);
  const data = prompts.map((prompt, index) => {
    const first = (embed(prompt, 16)[0]! + 1) / 2;
    const probs = [first, 1 - first];
    return { index, label: LABELS[first >= 0.5 ? 0 : 1], probs, num_classes: 2 };
  });
  answerList(exchange, body, 'classify', data, prompts);
}

const NEED_ONE = 'Exactly one of texts, images, or inputs must be provided, and it must be non-empty';

/** `POST /v2/embed`, Cohere's; of texts alone, since no model here sees or knows of tasks. */
export async function cohereEmbed(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('cohere-embed');
  const given = [body['texts'], body['images'], body['inputs']].filter((list) => list !== undefined && list !== null) as unknown[][];
  if (given.length !== 1 || given[0]!.length === 0) {
    const error = {
      type: 'value_error',
      loc: ['body'],
      msg: `Value error, ${NEED_ONE}`,
      input: body,
      ctx: { error: new PythonError('ValueError', NEED_ONE) },
    };
    throw invalidFields([error]);
  }
  checkModel(exchange, body, true);
  if (typeof body['input_type'] === 'string') {
    const words = 'This model does not define any input_type task instructions.';
    throw badRequest(`Unsupported input_type '${body['input_type']}'. ${words}`);
  }
  const texts = Array.isArray(body['texts']) ? (body['texts'] as string[]) : [];
  if (texts.length === 0) throw badRequest(`${exchange.sim.settings.model} is not a multimodal model`);
  const prompts = inputPrompts({ input: texts });
  await readPrompts(exchange, body, prompts);
  exchange.json(200, {
    id: `embd-${exchange.requestId(body)}`,
    embeddings: { float: prompts.map((prompt) => [...embed(prompt, 1024)]) },
    texts,
    meta: { api_version: { version: '2' }, billed_units: { input_tokens: prompts.flat().length } },
    response_type: 'embeddings_by_type',
  });
}
