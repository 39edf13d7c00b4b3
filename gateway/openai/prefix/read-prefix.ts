import type { Prefix } from '../../core/call.ts';
import { BlockChain } from './block-chain.ts';

type Json = { readonly [name: string]: unknown };

/** Where a prompt is read to be gone on with; what other routes ask keeps nothing worth coming back for. */
const PROMPT_AT: Readonly<Record<string, 'messages' | 'prompt' | 'input'>> = {
  '/v1/chat/completions': 'messages',
  '/v1/completions': 'prompt',
  '/v1/messages': 'messages',
  '/v1/responses': 'input',
};
/** What changes a prompt from its first token, or whose cache it may be in. */
const ROOT = ['cache_salt', 'chat_template', 'chat_template_kwargs', 'documents', 'mm_processor_kwargs', 'reasoning_effort'];
/** Pictures and sounds in the body are told apart by so many characters of theirs. */
const MEDIA_LOOKS = 512;
/** Of a prompt that a picture is worth: some 256 tokens. */
const MEDIA_CHARS = 1_024;
/** Changes with every call of Claude Code; vLLM leaves it out of the prompt for that. */
const BILLING = 'x-anthropic-billing-header';

/**
 * What may be in a worker's prefix cache of a request's prompt: its text in the order in which chat templates have it (tools, system,
 * messages), cut into blocks. Close to what the engine makes of it, and not the same: two requests that begin alike here nearly always do
 * there. Adapters are models of their own, as in vLLM. Pure. Costs about a microsecond for each 1,000 characters.
 * @param value a body that was held to its limits: its depth is bounded
 * @param model as the worker knows it
 * @returns null where nothing is to be had: another route, less than a block, or log-probabilities of the prompt, for which vLLM computes all
 */
export function readPrefix(value: Json, path: string, model: string, promptLogprobs: boolean): Prefix | null {
  const field = PROMPT_AT[path];
  if (field === undefined || promptLogprobs) return null;
  const chain = new BlockChain();
  chain.mark(model);
  for (const name of ROOT) {
    if (value[name] == null) continue;
    chain.mark(name);
    markAll(chain, value[name]);
  }
  const { tools, system, instructions } = value;
  if (Array.isArray(tools)) addAll(chain, tools);
  if (system != null) addMessage(chain, 'system', withoutBilling(system), null);
  if (typeof instructions === 'string') addMessage(chain, 'system', instructions, null);
  const prompt = value[field];
  if (field === 'prompt') addPrompt(chain, prompt);
  else if (typeof prompt === 'string') addMessage(chain, 'user', prompt, null);
  else if (Array.isArray(prompt)) for (const message of prompt) addTurn(chain, message);
  const { blocks, size } = chain;
  return blocks.length === 0 ? null : { blocks, size };
}

function withoutBilling(system: unknown): unknown {
  if (!Array.isArray(system)) return system;
  return system.filter((part: Json | null) => !(typeof part?.['text'] === 'string' && part['text'].startsWith(BILLING)));
}

/** A text, or token ids; of several prompts the first. */
function addPrompt(chain: BlockChain, prompt: unknown): void {
  if (typeof prompt === 'string') return chain.add(prompt);
  if (!Array.isArray(prompt)) return;
  if (typeof prompt[0] !== 'number') return addPrompt(chain, prompt[0]);
  // Four characters an id, as a token has about that many: six bits in each.
  let text = '';
  for (const id of prompt as number[]) {
    text += String.fromCharCode(64 + (id & 63), 64 + ((id >>> 6) & 63), 64 + ((id >>> 12) & 63), 64 + ((id >>> 18) & 63));
    if (text.length < 4_096) continue;
    chain.add(text);
    text = '';
  }
  chain.add(text);
}

function addTurn(chain: BlockChain, message: unknown): void {
  if (typeof message !== 'object' || message === null) return;
  const { role, content, ...others } = message as Json;
  addMessage(chain, typeof role === 'string' ? role : '', content, others);
}

function addMessage(chain: BlockChain, role: string, content: unknown, others: Json | null): void {
  chain.mark(role);
  if (typeof content === 'string') chain.add(content);
  else if (Array.isArray(content)) for (const part of content) addPart(chain, part);
  // Calls of tools, their ids, what was thought.
  if (others !== null) for (const name in others) if (others[name] != null) addNamed(chain, name, others[name]);
}

/** A text counts the same whether it is a part of a list or the whole content. */
function addPart(chain: BlockChain, part: unknown): void {
  const text = typeof part === 'object' && part !== null ? (part as Json)['text'] : part;
  if (typeof text === 'string') chain.add(text);
  else if (typeof part === 'object' && part !== null) addAll(chain, part);
}

function addNamed(chain: BlockChain, name: string, value: unknown): void {
  chain.mark(name);
  addAll(chain, value);
}

function addAll(chain: BlockChain, value: unknown): void {
  if (typeof value === 'string') addText(chain, value);
  else if (Array.isArray(value)) for (const item of value) addAll(chain, item);
  else if (typeof value === 'object' && value !== null) {
    // Where a piece of a prompt may be cached says nothing of the prompt, and moves from turn to turn.
    for (const name in value) if (name !== 'cache_control') addNamed(chain, name, (value as Json)[name]);
  } else if (value != null) chain.add(String(value));
}

function addText(chain: BlockChain, text: string): void {
  if (text.length <= MEDIA_LOOKS * 2 || !text.startsWith('data:')) return chain.add(text);
  const stride = Math.floor(text.length / MEDIA_LOOKS);
  let some = `${text.length}`;
  for (let at = stride - 1; at < text.length; at += stride) some += text[at];
  chain.add(some.padEnd(MEDIA_CHARS, ' '));
}

function markAll(chain: BlockChain, value: unknown): void {
  chain.mark(typeof value === 'string' ? value : JSON.stringify(value));
}
