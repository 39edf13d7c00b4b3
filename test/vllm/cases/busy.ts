import { bothWays, type Case, chat, completion, message, response } from '../case.ts';

/** A server that takes no request. */
export const BUSY: readonly Case[] = [
  ...bothWays(chat, 'chat'),
  ...bothWays(completion, 'completion'),
  ...bothWays(completion, 'completion-prompts', { prompt: ['a', 'b'] }),
  ...bothWays(response, 'response'),
  ...bothWays(message, 'message'),
  chat('chat-e-role', { messages: [{ content: 'x' }] }),
  chat('chat-e-model', { model: 'nope' }),
  chat('chat-e-n-greedy', { n: 2 }),
  { name: 'count-tokens', path: '/v1/messages/count_tokens', body: { model: 'tiny', messages: [{ role: 'user', content: 'hello' }] } },
  { name: 'tokenize', path: '/tokenize', body: { model: 'tiny', prompt: 'hello' }, direct: true },
  { name: 'health', path: '/health', direct: true },
];
