import { isCompletionGivenUp } from './given-up.ts';

interface Usage {
  /** All of the prompt, whether or not it was found in a cache. */
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedTokens: number | null;
}

const FINISH = Buffer.from('"finish_reason":');
const USAGE = Buffer.from('"usage":{');
/** As OpenAI itself writes whole answers, and Python unless it is told otherwise. */
const SPACED_USAGE = Buffer.from('"usage": {');
/** What llama.cpp tells in place of the usage. */
const TIMINGS = Buffer.from('"timings":{');
/** The usage object is a few hundred bytes; more is not read. */
const MAX_USAGE_BYTES = 1_024;

/** Finds the last usage object in an answer or a piece of a stream, without parsing the rest. */
export function findUsage(bytes: Buffer): Usage | null {
  const compact = bytes.lastIndexOf(USAGE);
  const at = compact < 0 ? bytes.lastIndexOf(SPACED_USAGE) : compact;
  if (at < 0) return findTimings(bytes);
  const text = bytes.toString('latin1', at, Math.min(bytes.length, at + MAX_USAGE_BYTES));
  const inputTokens = number(text, /"(?:prompt|input)_tokens": ?(\d+)/);
  const read = number(text, /"cache_read_input_tokens": ?(\d+)/);
  const written = number(text, /"cache_creation_input_tokens": ?(\d+)/);
  return {
    // Anthropic's words: these two are no part of its `input_tokens`, as they are elsewhere.
    inputTokens: inputTokens === null ? null : inputTokens + (read ?? 0) + (written ?? 0),
    outputTokens: number(text, /"(?:completion|output)_tokens": ?(\d+)/),
    cachedTokens: read ?? number(text, /"cached_tokens": ?(\d+)/),
  };
}

/** llama.cpp's count of what it read anew (`prompt_n`), found in its cache and wrote. */
function findTimings(bytes: Buffer): Usage | null {
  const at = bytes.lastIndexOf(TIMINGS);
  if (at < 0) return null;
  const text = bytes.toString('latin1', at, Math.min(bytes.length, at + MAX_USAGE_BYTES));
  const read = number(text, /"prompt_n":(\d+)/);
  const cached = number(text, /"cache_n":(\d+)/);
  return {
    inputTokens: read === null ? null : read + (cached ?? 0),
    outputTokens: number(text, /"predicted_n":(\d+)/),
    cachedTokens: cached,
  };
}

/** The finish reason of a whole answer: the first choice's, or "abort" if any choice was given up. */
export function findFinishReason(bytes: Buffer): string | null {
  if (isCompletionGivenUp(bytes)) return 'abort';
  const at = bytes.indexOf(FINISH);
  if (at < 0) return null;
  const reason = /^"finish_reason": ?"([a-z_]+)"/.exec(bytes.toString('latin1', at, at + 64))?.[1] ?? null;
  // No choice's: something that a client has had echoed.
  return reason === 'abort' ? null : reason;
}

function number(text: string, pattern: RegExp): number | null {
  const digits = pattern.exec(text)?.[1];
  return digits === undefined ? null : Number(digits);
}
