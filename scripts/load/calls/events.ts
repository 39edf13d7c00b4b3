/** Finds the data of server-sent events in bytes that may be cut anywhere. One for each answer. */
export class EventReader {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** The data of each event that these bytes completed. Comments, and fields but `data`, are passed over. */
  take(bytes: Uint8Array): string[] {
    const text = this.#rest + this.#decoder.decode(bytes, { stream: true });
    const lines = text.split('\n');
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trim()] : []));
  }
}

/** What an event of a stream says that matters to a measurement. */
export interface EventFacts {
  readonly isDone: boolean;
  /** It has a choice: a piece of the answer. */
  readonly hasChoice: boolean;
  readonly usage: Usage | null;
  /** An error that came within the stream: its code. */
  readonly error: string | null;
}

export interface Usage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly cachedTokens: number;
}

const DONE: EventFacts = { isDone: true, hasChoice: false, usage: null, error: null };
const NONSENSE: EventFacts = { isDone: false, hasChoice: false, usage: null, error: 'invalid_event' };

export function factsOf(data: string): EventFacts {
  if (data === '[DONE]') return DONE;
  let body: unknown;
  try {
    body = JSON.parse(data);
  } catch {
    return NONSENSE;
  }
  const { choices, error } = (body ?? {}) as { readonly choices?: unknown; readonly error?: unknown };
  return {
    isDone: false,
    hasChoice: Array.isArray(choices) && isPiece(choices[0]),
    usage: usageOf(body),
    error: error === undefined || error === null ? null : errorCodeOf(body),
  };
}

/** Text, or what has changed of a message. */
function isPiece(choice: unknown): boolean {
  const { text, delta } = (choice ?? {}) as { readonly text?: unknown; readonly delta?: unknown };
  return typeof text === 'string' || (typeof delta === 'object' && delta !== null);
}

/** More tokens than any answer has, or what is no count, is no usage. */
const MOST_TOKENS = 1e8;

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= MOST_TOKENS;
}

/** The counts of an answer or of an event, by OpenAI's names; null where it has none. */
export function usageOf(body: unknown): Usage | null {
  const usage = (body as { readonly usage?: unknown } | null)?.usage as
    | {
        readonly prompt_tokens?: number;
        readonly completion_tokens?: number;
        readonly prompt_tokens_details?: { readonly cached_tokens?: number } | null;
      }
    | null
    | undefined;
  if (typeof usage !== 'object' || usage === null) return null;
  const { prompt_tokens = 0, completion_tokens = 0, prompt_tokens_details: details } = usage;
  const cached = details?.cached_tokens ?? 0;
  if (![prompt_tokens, completion_tokens, cached].every(isCount)) return null;
  return { inputTokens: prompt_tokens, outputTokens: completion_tokens, cachedTokens: cached };
}

/** The code of an error of OpenAI's shape, or its type; never what a message says. */
export function errorCodeOf(body: unknown): string {
  const error = (body as { readonly error?: unknown } | null)?.error as
    | { readonly code?: unknown; readonly type?: unknown }
    | string
    | undefined;
  if (typeof error !== 'object' || error === null) return 'error';
  const { code, type } = error;
  return typeof code === 'string' || typeof code === 'number' ? String(code) : typeof type === 'string' ? type : 'error';
}
