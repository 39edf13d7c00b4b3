import type { ResumableRequest } from './resumable-request.ts';

/** What nearly every event of a stream is: some text and the ids of its tokens. */
export interface PlainEvent {
  /** As JSON wrote it, without its quotes. */
  readonly text: string;
  readonly ids: readonly number[];
  /** The event without the ids. */
  readonly rest: string;
}

const IDS = '"token_ids":[';
const AFTER_IDS = ']}]}\n\n';
/** What stands before and after the text, as vLLM writes it. */
const SHAPES = {
  completion: {
    before: '"choices":[{"index":0,"text":"',
    after: '","logprobs":null,"finish_reason":null,"stop_reason":null,"prompt_token_ids":null,',
  },
  chat: { before: '"choices":[{"index":0,"delta":{"content":"', after: '"},"logprobs":null,"finish_reason":null,' },
} as const satisfies Record<ResumableRequest['kind'], object>;

/**
 * Knows such events by what stands around their text, which is the same in all of one stream, so that there is nothing to parse. Any other
 * is for who parses it.
 */
export class PlainEvents {
  readonly #shape: (typeof SHAPES)[ResumableRequest['kind']];
  /** Up to the text. null: none has been seen */
  #head: string | null = null;

  constructor(kind: ResumableRequest['kind']) {
    this.#shape = SHAPES[kind];
  }

  read(event: string): PlainEvent | null {
    const { before, after } = this.#shape;
    const at = event.lastIndexOf(IDS);
    const textEnd = at - after.length;
    if (at < 0 || !event.endsWith(AFTER_IDS) || !event.startsWith(after, textEnd)) return null;
    if (this.#head === null || !event.startsWith(this.#head)) {
      const start = event.indexOf(before);
      if (start < 0 || !event.startsWith('data: {"id"')) return null;
      this.#head = event.slice(0, start + before.length);
    }
    const text = event.slice(this.#head.length, textEnd);
    // Within a text it would be escaped: more than a text stands there.
    if (text.includes('"')) return null;
    const listed = event.slice(at + IDS.length, -AFTER_IDS.length);
    const ids = listed.includes(',') ? listed.split(',').map(Number) : [Number(listed)];
    if (listed === '' || ids.some(Number.isNaN)) return null;
    return { text, ids, rest: `${event.slice(0, at + IDS.length - 1)}null${AFTER_IDS.slice(1)}` };
  }
}
