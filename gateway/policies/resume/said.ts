import { isObject, parsed } from '../../core/json/json.ts';
import type { PlainEvent } from './plain-event.ts';
import type { NotResumed } from './refusals.ts';
import type { ResumableRequest } from './resumable-request.ts';

/** More than this is not kept of one stream: its prompt's ids as they were written, ids that were generated, text. */
const MAX_KEPT_BYTES = 1_048_576;
const BYTES_PER_ID = 8;

/** From where a stream goes on. */
export interface Seam {
  /** Tokens that count as generated before it. */
  readonly tokens: number;
  /** Text that the client has and that comes once more. */
  readonly overlap: string;
}

/** What names a stream: its later events say the same. */
export interface Identity {
  readonly id: unknown;
  readonly created: unknown;
  readonly model: unknown;
}

/** What a stream has brought so far, as far as its going on needs it. Bounded. */
export class Said {
  readonly kind: ResumableRequest['kind'];
  /** null: no event has come. */
  identity: Identity | null = null;
  /** The ids of the prompt as JSON wrote them, without brackets; null: not told yet. */
  promptIds: string | null = null;
  promptTokens = 0;
  /** Of a completion: the tokens that were generated. */
  ids: number[] = [];
  /** Of a chat: what was generated. */
  text = '';
  /** Tokens that were generated, as far as they were told. */
  tokens = 0;
  isFinished = false;
  /** What keeps it from being gone on from, once there is something. */
  refusal: NotResumed | null = null;
  /** Tokens up to the last one that brought text; of a chat, text that is not white. */
  #solid = 0;
  /** That one came by itself. */
  #isSure = true;

  constructor(kind: ResumableRequest['kind']) {
    this.kind = kind;
  }

  /** Notes what an event says, read from its data. @returns whether it says anything to the client that did not ask for token ids */
  note(event: Record<string, unknown>): boolean {
    this.identity ??= { id: event['id'], created: event['created'], model: event['model'] };
    const choices = event['choices'];
    if (!Array.isArray(choices)) return this.#refuse('unreadable');
    if (choices.length === 0) return true;
    const choice: unknown = choices[0];
    if (!isObject(choice) || choices.length > 1) return this.#refuse('unreadable');
    this.#noteIds(choice['prompt_token_ids'] ?? event['prompt_token_ids']);
    const ids = Array.isArray(choice['token_ids']) ? (choice['token_ids'] as number[]) : [];
    if (choice['finish_reason'] != null) this.isFinished = true;
    const says = this.kind === 'chat' ? this.#noteDelta(choice['delta'], ids.length) : this.#noteText(choice['text'], ids);
    this.#checkLength();
    return says || choice['finish_reason'] != null;
  }

  /** The same of a plain event. @returns false where it is to be parsed after all: it comes first */
  notePlain({ text, ids }: PlainEvent): boolean {
    if (this.identity === null || (this.promptIds === null && this.refusal === null)) return false;
    if (this.kind === 'completion') this.#noteText(text, ids);
    else this.#noteContent(text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text, ids.length);
    this.#checkLength();
    return true;
  }

  /** Something came that is no event as vLLM writes it. */
  noteUnreadable(): void {
    this.#refuse('unreadable');
  }

  /** Where the stream is to go on. What no text came of is generated again: nobody has seen it. */
  seam(): Seam | NotResumed {
    if (this.refusal !== null) return this.refusal;
    if (this.isFinished) return 'finished';
    if (this.kind === 'chat') return { tokens: this.#solid, overlap: this.text.slice(this.text.trimEnd().length) };
    return this.#isSure ? { tokens: this.#solid, overlap: '' } : 'seam';
  }

  /** It goes on from there: what comes next follows. */
  cutAt({ tokens }: Seam): void {
    this.tokens = this.#solid = tokens;
    this.ids.length = this.kind === 'completion' ? tokens : 0;
  }

  /** The first event tells them; of a chat only how many they are is of use. */
  #noteIds(ids: unknown): void {
    if (this.promptIds !== null || this.refusal !== null || !Array.isArray(ids)) return;
    this.promptTokens = ids.length;
    this.promptIds = this.kind === 'completion' ? ids.join(',') : '';
  }

  #noteText(text: unknown, ids: readonly number[]): boolean {
    if (this.refusal !== null) return true;
    if (typeof text !== 'string' || this.promptIds === null) return this.#refuse('unreadable');
    for (const id of ids) this.ids.push(id);
    this.tokens += ids.length;
    if (text === '') return true;
    this.#solid = this.tokens;
    this.#isSure = ids.length === 1;
    return true;
  }

  #noteDelta(delta: unknown, tokens: number): boolean {
    if (!isObject(delta)) return this.#refuse('unreadable');
    const { role, content, ...rest } = delta;
    const others = Object.entries(rest).filter(([, item]) => item != null && item !== '' && !(Array.isArray(item) && item.length === 0));
    for (const [name] of others)
      this.#refuse(name.startsWith('reasoning') ? 'reasoning' : /^tool|^function/.test(name) ? 'tool_call' : 'other_output');
    if (content != null && typeof content !== 'string') this.#refuse('other_output');
    this.#noteContent(typeof content === 'string' ? content : '', tokens);
    return content != null || role != null || others.length > 0;
  }

  #noteContent(content: string, tokens: number): void {
    this.tokens += tokens;
    if (this.refusal === null) this.text += content;
    if (content.trim() !== '') this.#solid = this.tokens;
  }

  #checkLength(): void {
    const kept = (this.promptIds?.length ?? 0) + this.ids.length * BYTES_PER_ID + this.text.length;
    if (kept > MAX_KEPT_BYTES) this.#refuse('too_long');
  }

  #refuse(why: NotResumed): true {
    this.refusal ??= why;
    // Of what is never gone on from nothing is kept.
    this.ids = [];
    this.text = '';
    if (this.promptIds !== null) this.promptIds = '';
    return true;
  }
}

/** The data of an event that is one line of JSON with an object, with or without a blank before it; null: it is something else. */
export function dataOf(event: string): Record<string, unknown> | null {
  if (!event.startsWith('data:')) return null;
  const value = parsed(event.slice('data:'.length));
  return isObject(value) ? value : null;
}
