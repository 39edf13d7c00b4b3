import { encode, TOKEN } from '../text/tokenizer.ts';
import type { Sim } from '../engine/sim.ts';
import { seesOrHears } from '../model/kinds.ts';
import { badRequest } from '../request/api-error.ts';
import { isObject } from '../request/fields.ts';
import type { JsonObject } from '../request/fields.ts';

/** Tokens that one picture is worth. */
const IMAGE_TOKENS = 256;

interface ChatMessage {
  readonly role: string;
  readonly ids: readonly number[];
}

function contentIds(content: unknown): number[] {
  if (content === null || content === undefined) return [];
  if (typeof content === 'string') return encode(content);
  if (!Array.isArray(content)) return encode(JSON.stringify(content));
  return content.flatMap((part: unknown) => {
    if (typeof part === 'string') return encode(part);
    if (!isObject(part)) return [];
    const text = part['text'] ?? part['refusal'] ?? part['thinking'];
    if (typeof text === 'string') return encode(text);
    if (isObject(part['content']) || Array.isArray(part['content']) || typeof part['content'] === 'string')
      return contentIds(part['content']);
    return /image|audio|video/.test(String(part['type']))
      ? new Array<number>(IMAGE_TOKENS).fill(TOKEN.image)
      : encode(JSON.stringify(part));
  });
}

function messageIds(message: unknown): ChatMessage {
  if (!isObject(message)) return { role: 'user', ids: [] };
  const role = String(message['role'] ?? 'user');
  const ids = contentIds(message['content']);
  const calls = message['tool_calls'];
  if (Array.isArray(calls) && calls.length > 0) return { role, ids: ids.concat(encode(JSON.stringify(calls))) };
  return { role, ids };
}

/** The prompt of a conversation, as a simple chat template would make it: tools first, then each message between its marks. */
export function chatPrompt(messages: readonly unknown[], body: JsonObject): number[] {
  const prompt: number[] = [];
  // One by one: a prompt may be longer than an argument list.
  const add = (ids: readonly number[]): void => {
    for (const id of ids) prompt.push(id);
  };
  const tools = body['tools'];
  if (Array.isArray(tools) && tools.length > 0) {
    prompt.push(TOKEN.messageStart);
    add(encode(`system\n${JSON.stringify(tools)}`));
    prompt.push(TOKEN.messageEnd, 10);
  }
  for (const [at, message] of messages.entries()) {
    const { role, ids } = messageIds(message);
    prompt.push(TOKEN.messageStart, ...encode(`${role}\n`));
    add(ids);
    // What is to be gone on from has no end yet.
    if (body['continue_final_message'] === true && at === messages.length - 1) return prompt;
    prompt.push(TOKEN.messageEnd, 10);
  }
  if (body['add_generation_prompt'] !== false) prompt.push(TOKEN.messageStart, ...encode('assistant\n'));
  return prompt;
}

/** Throws ApiError where a model that reads nothing but text is shown something else, or text that is none. */
export function checkMedia({ settings }: Sim, messages: readonly unknown[]): void {
  const parts = messages.filter(isObject).flatMap(({ content }) => (Array.isArray(content) ? (content as unknown[]) : [content]));
  if (parts.some((part) => isObject(part) && /image|audio|video/.test(String(part['type']))) && !seesOrHears(settings.model)) {
    throw badRequest(`${settings.model} is not a multimodal model`);
  }
  const texts = parts.map((part) => (isObject(part) ? part['text'] : part));
  // What the tokenizer says to half of a surrogate pair.
  if (texts.some((text) => typeof text === 'string' && !text.isWellFormed()))
    throw badRequest('TextEncodeInput must be Union[TextInputSequence, Tuple[InputSequence, InputSequence]]');
}

/** The role of the last message; null for none. */
export function lastRole(messages: readonly unknown[]): string | null {
  const last = messages.at(-1);
  return isObject(last) && typeof last['role'] === 'string' ? last['role'] : null;
}
