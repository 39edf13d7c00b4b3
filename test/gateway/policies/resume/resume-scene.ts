import type { Call, Route } from '../../../../gateway/core/call.ts';
import { CHAT, fakeCall } from '../../../support/fake-call.ts';
import type { FakeExchange } from '../../../support/fake-worker.ts';
import { MODEL } from '../../../support/fake-worker.ts';

export const COMPLETIONS: Route = { ...CHAT, path: '/v1/completions' };
export const PROMPT_IDS = [1, 2, 3];

let serial = 0;

/** A stream that may go on, unless `extra` says otherwise. */
export function streamOf(path: '/v1/completions' | '/v1/chat/completions', extra: object = {}): Call {
  const id = `stream-${++serial}`;
  const asked = path === '/v1/completions' ? { prompt: id } : { messages: [{ role: 'user', content: id }] };
  const text = JSON.stringify({ model: MODEL, stream: true, ...asked, ...extra });
  return fakeCall({ id, route: path === '/v1/completions' ? COMPLETIONS : CHAT, stream: true, text });
}

/** An event of a completion, as vLLM writes it where it is asked for token ids. */
export function piece(text: string, ids: readonly number[], more: { first?: boolean; finish?: string; id?: string } = {}): string {
  const { first = false, finish = null, id = 'cmpl-1' } = more;
  const choice = { index: 0, text, logprobs: null, finish_reason: finish, stop_reason: null };
  const told = { ...choice, prompt_token_ids: first ? PROMPT_IDS : null, token_ids: ids };
  return `data: ${JSON.stringify({ id, object: 'text_completion', created: 7, model: 'm', choices: [told] })}\n\n`;
}

/** One of a chat. */
export function delta(said: object, ids: readonly number[] | null, more: { finish?: string; id?: string; first?: boolean } = {}): string {
  const { finish = null, id = 'chatcmpl-1', first = false } = more;
  const choice = { index: 0, delta: said, logprobs: null, finish_reason: finish, ...(ids === null ? {} : { token_ids: ids }) };
  const head = { id, object: 'chat.completion.chunk', created: 7, model: 'm', choices: [choice] };
  return `data: ${JSON.stringify(first ? { ...head, prompt_token_ids: PROMPT_IDS, prompt_text: null } : head)}\n\n`;
}

export const ROLE = delta({ role: 'assistant', content: '' }, null, { first: true });
export const DONE = 'data: [DONE]\n\n';

/** What a worker was sent. */
export function bodyOf(exchange: FakeExchange): Record<string, unknown> {
  return JSON.parse(exchange.request.body!.bytes.toString('utf8')) as Record<string, unknown>;
}
