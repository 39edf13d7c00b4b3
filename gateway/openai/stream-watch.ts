import type { FrameBatch } from '../core/transport.ts';
import { isObject, parsed } from '../core/json/json.ts';
import { finishReasonsIn, isUnfinished, mayBeGivenUp } from './given-up.ts';

/** What one read of a stream holds, beyond text to pass on. */
type Look =
  /** Nothing but events to pass on. */
  | 'plain'
  /** Something to look at event by event. */
  | 'special';

export type EventKind =
  | { readonly kind: 'text' }
  | { readonly kind: 'done' }
  /** The worker's own error event: what it is about, as the body of an HTTP answer, and the status that this would have; null: unknown. */
  | { readonly kind: 'error'; readonly body: string; readonly status: number | null }
  /** finish_reason "abort": the engine gave the request up, whatever its status line said. */
  | { readonly kind: 'aborted' }
  | { readonly kind: 'finish'; readonly reason: string; readonly choices: number }
  /** What the worker counted, in an event of its own. */
  | { readonly kind: 'usage'; readonly fingerprint: string | null }
  /** The last event of a messages or responses stream. */
  | { readonly kind: 'final' };

/** What sets a finish reason, as vLLM and nearly everybody writes it. */
const FINISH: Buffer = Buffer.from('"finish_reason":"');
/** And as Python writes it unless it is told otherwise. */
const SPACED_FINISH: Buffer = Buffer.from('"finish_reason": "');
const KEY_END = Buffer.from('":');
const BOUNDARY = Buffer.from('\n\n');
export const TEXT: EventKind = { kind: 'text' };
const DONE: EventKind = { kind: 'done' };
const ABORTED: EventKind = { kind: 'aborted' };
const FINAL: EventKind = { kind: 'final' };

/**
 * Looks at a batch of whole frames without decoding any. 'plain' means: every chunk is one event, as vLLM writes them, and none is an error,
 * [DONE] or sets a finish reason, where the route's answers have choices that could. Chunks that something on the way has put together or cut are looked at event by event.
 */
export function lookAt(batch: FrameBatch, hasChoices: boolean, finish = FINISH): Look {
  const { bytes, count, starts, ends } = batch;
  for (let i = 0; i < count; i++) {
    const start = starts[i]!;
    // The first blank line of the chunk is its end.
    if (bytes.indexOf(BOUNDARY, start) !== ends[i]! - BOUNDARY.length) return 'special';
    // `data: {"error"` and `data: [DONE]` differ from `data: {"id"` at these bytes.
    if (bytes[start] === 0x64 && (bytes[start + 6] !== 0x7b || bytes[start + 8] === 0x65)) return 'special';
    if (bytes[start] === 0x65 && namedSpecially(bytes, start + 'event: '.length)) return 'special';
  }
  return hasChoices && bytes.includes(finish) ? 'special' : 'plain';
}

/** How a stream sets a finish reason: who puts a space after one colon does so after all. null: what it has brought so far does not tell. */
export function finishAsIn(bytes: Buffer): Buffer | null {
  const colon = bytes.indexOf(KEY_END);
  if (colon < 0) return null;
  return bytes[colon + KEY_END.length] === 0x20 ? SPACED_FINISH : FINISH;
}

/** Whether an event's name, which begins at `at`, may be `error`, the end of a message or of a response: a few bytes tell. */
function namedSpecially(bytes: Buffer, at: number): boolean {
  switch (bytes[at]) {
    case 0x65:
      return true;
    case 0x6d:
      // message_stop, and message_delta, which says why it stops; not message_start
      return bytes[at + 'message_st'.length] === 0x6f || bytes[at + 'message_'.length] === 0x64;
    case 0x72: {
      const [first, second] = [bytes[at + 'response.'.length], bytes[at + 'response.'.length + 1]];
      // completed, cancelled, failed, incomplete; not the frequent output_text.delta and function_call_arguments.delta
      return first === 0x63 || (first === 0x66 && second === 0x61) || first === 0x69;
    }
    default:
      return false;
  }
}

const ERROR_DATA = /^data: ?(\{ ?"(?:error|type": ?"error)".*)$/m;

/** What one whole event says. `hasChoices`: only then is a finish reason one; elsewhere it is what a client had echoed. */
export function readEvent(written: string, hasChoices: boolean): EventKind {
  const text = written.includes('\r') ? written.replaceAll(/\r\n?/g, '\n') : written;
  if (text.startsWith('data: [DONE]') || text.includes('\ndata: [DONE]') || text.startsWith('data:[DONE]')) return DONE;
  const error = /^event: ?error\ndata: ?(.*)$/m.exec(text)?.[1] ?? ERROR_DATA.exec(text)?.[1];
  if (error !== undefined) return { kind: 'error', ...errorOf(error) };
  const named = NAMED.exec(text);
  if (named) return readNamed(named[1]!, text.slice(named.index + named[0].length));
  if (!hasChoices || !(text.includes('"finish_reason":"') || text.includes('"finish_reason": "'))) return TEXT;
  const reasons = finishReasonsIn(parsed(dataIn(text)));
  if (reasons.length === 0) return TEXT;
  return reasons.includes('abort') ? ABORTED : { kind: 'finish', reason: reasons[0]!, choices: reasons.length };
}

/** What the beginning of an event says that is too long to be read: whether it is an error or an end. */
export function readBeginning(bytes: Buffer): EventKind {
  const start = bytes.toString('utf8', 0, MAX_BEGINNING_BYTES);
  if (/^event: error[\r\n]/m.test(start) || ERROR_DATA.test(start)) return { kind: 'error', body: start, status: null };
  return /^event: (?:message_stop|response\.(?:completed|incomplete))[\r\n]/m.test(start) ? FINAL : TEXT;
}

const MAX_BEGINNING_BYTES = 512;

/** The events that end a message or a response, or say why. */
const NAMED = /^event: (message_stop|message_delta|response\.(?:completed|incomplete|cancelled|failed))$/m;

function readNamed(name: string, rest: string): EventKind {
  switch (name) {
    case 'message_stop':
      return FINAL;
    case 'message_delta': {
      const event = parsed(dataIn(rest));
      // Any other message has a reason to stop.
      return isObject(event) && isObject(event['delta']) && event['delta']['stop_reason'] === null ? ABORTED : TEXT;
    }
    case 'response.failed':
      return { kind: 'error', ...failureOf(rest) };
    default: {
      if (name !== 'response.cancelled' && !mayBeGivenUp(rest)) return FINAL;
      const event = parsed(dataIn(rest));
      const isGivenUp = name === 'response.cancelled' || (isObject(event) && isUnfinished(event['response']));
      return isGivenUp ? ABORTED : FINAL;
    }
  }
}

/** What a failed response says, as an error event would. */
function failureOf(text: string): { body: string; status: number | null } {
  const event = parsed(dataIn(text));
  const response = isObject(event) ? event['response'] : null;
  const error = isObject(response) && isObject(response['error']) ? response['error'] : {};
  const { code } = error;
  const status = typeof code === 'number' && code >= 400 && code < 600 ? code : null;
  return { body: JSON.stringify({ error }), status };
}

/** The data of an event, whose lines end by LF. */
function dataIn(text: string): string {
  const lines = [...text.matchAll(/^data: ?(.*)$/gm)];
  return lines.length === 1 ? lines[0]![1]! : lines.map((line) => line[1]).join('\n');
}

/** On `/v1/messages` vLLM wraps what it means in a complaint of its own; only the number is left of it. */
const WRAPPED = /'code': (\d{3})\}/;
const WRAPPED_WORDS = 'The request was found invalid as it was prepared for the model: a schema, a grammar or another constraint in it.';

function errorOf(json: string): { body: string; status: number | null } {
  try {
    const value = JSON.parse(json);
    const code: unknown = value?.error?.code ?? value?.code;
    if (typeof code === 'number' && code >= 400 && code < 600) return { body: json, status: code };
    const wrapped = WRAPPED.exec(String(value?.error?.message))?.[1];
    if (wrapped !== undefined) return { body: JSON.stringify({ error: { message: WRAPPED_WORDS } }), status: Number(wrapped) };
  } catch {
    // Not JSON: it says no more than that something went wrong.
  }
  return { body: json, status: null };
}
