import { decode, encode, tokenText } from '../text/tokenizer.ts';
import { chatPrompt } from '../chat/chat-prompt.ts';
import type { Exchange } from '../request/exchange.ts';
import { checkModel } from '../request/models.ts';

/** `POST /tokenize`: of a text or of a conversation. */
export async function tokenize(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('tokenize');
  checkModel(exchange, body);
  const { prompt, messages } = body;
  const tokens = typeof prompt === 'string' ? encode(prompt) : chatPrompt(messages as unknown[], body);
  const strings = body['return_token_strs'] === true ? tokens.map(tokenText) : null;
  exchange.json(200, { count: tokens.length, max_model_len: exchange.sim.maxModelLen, tokens, token_strs: strings });
}

/** `POST /detokenize` */
export async function detokenize(exchange: Exchange): Promise<void> {
  const body = await exchange.readJson('detokenize');
  checkModel(exchange, body);
  const tokens = (body['tokens'] as unknown[]).map(Number);
  exchange.json(200, { prompt: decode(tokens) });
}
