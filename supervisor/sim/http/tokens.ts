import { decode, encode, tokenText } from '../text/tokenizer.ts';
import { chatPrompt } from './chat-prompt.ts';
import type { Exchange } from '../request/exchange.ts';
import { invalidFields } from '../request/api-error.ts';
import { checkModel } from '../request/models.ts';

/** `POST /tokenize`: of a text or of a conversation. */
export async function tokenize(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson({
    required: [],
    kinds: { model: 'str', prompt: 'str', messages: 'list', return_token_strs: 'bool' },
  });
  checkModel(exchange, body);
  const { prompt, messages } = body;
  if (typeof prompt !== 'string' && !Array.isArray(messages)) {
    throw invalidFields([{ type: 'missing', loc: ['body', 'prompt'], msg: 'Field required', input: body }]);
  }
  const tokens = typeof prompt === 'string' ? encode(prompt) : chatPrompt(messages as unknown[], body);
  const strings = body['return_token_strs'] === true ? tokens.map(tokenText) : null;
  exchange.json(200, { count: tokens.length, max_model_len: exchange.sim.maxModelLen, tokens, token_strs: strings });
}

/** `POST /detokenize` */
export async function detokenize(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson({ required: ['tokens'], kinds: { model: 'str', tokens: 'list' } });
  checkModel(exchange, body);
  const tokens = (body['tokens'] as unknown[]).map(Number);
  exchange.json(200, { prompt: decode(tokens) });
}
