import type { FrameBatch } from '../core/transport.ts';

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
  | { readonly kind: 'finish'; readonly reason: string }
  /** The last event of a messages or responses stream. */
  | { readonly kind: 'final' };

const FINISH = Buffer.from('"finish_reason":"');
const BOUNDARY = Buffer.from('\n\n');
/** How vLLM ends a message that its engine has given up: any other has a reason. */
const GIVEN_UP = /^event: message_delta\ndata: .*"delta": ?\{[^{}]*"stop_reason": ?null/m;
const TEXT: EventKind = { kind: 'text' };
const DONE: EventKind = { kind: 'done' };
const ABORTED: EventKind = { kind: 'aborted' };
const FINAL: EventKind = { kind: 'final' };

/**
 * Looks at a batch of whole frames without decoding any. 'plain' means: every chunk is one event, as vLLM writes them, and none is an error,
 * [DONE] or sets a finish reason, where the route's answers have choices that could. Chunks that something on the way has put together or cut are looked at event by event.
 */
export function lookAt(batch: FrameBatch, hasChoices: boolean): Look {
  const { bytes, count, starts, ends } = batch;
  for (let i = 0; i < count; i++) {
    const start = starts[i]!;
    // The first blank line of the chunk is its end.
    if (bytes.indexOf(BOUNDARY, start) !== ends[i]! - BOUNDARY.length) return 'special';
    // `data: {"error"` and `data: [DONE]` differ from `data: {"id"` at these bytes.
    if (bytes[start] === 0x64 && (bytes[start + 6] !== 0x7b || bytes[start + 8] === 0x65)) return 'special';
    if (bytes[start] === 0x65 && namedSpecially(bytes, start + 'event: '.length)) return 'special';
  }
  return hasChoices && bytes.includes(FINISH) ? 'special' : 'plain';
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
      // completed, failed, incomplete; not the frequent output_text.delta and function_call_arguments.delta
      return first === 0x63 || (first === 0x66 && second === 0x61) || first === 0x69;
    }
    default:
      return false;
  }
}

/** What one whole event says. `hasChoices`: only then is a finish reason one; elsewhere it is what a client had echoed. */
export function readEvent(written: string, hasChoices: boolean): EventKind {
  const text = written.includes('\r') ? written.replaceAll(/\r\n?/g, '\n') : written;
  if (text.startsWith('data: [DONE]') || text.includes('\ndata: [DONE]')) return DONE;
  const error = /^event: error\ndata: (.*)$/m.exec(text)?.[1] ?? /^data: (\{ ?"(?:error|type": ?"error)".*)$/m.exec(text)?.[1];
  if (error !== undefined) return { kind: 'error', ...errorOf(error) };
  if (/^event: (?:message_stop|response\.(?:completed|failed|incomplete))$/m.test(text)) return FINAL;
  if (GIVEN_UP.test(text)) return ABORTED;
  if (!hasChoices) return TEXT;
  const finish = /"finish_reason":"([a-z_]+)"/.exec(text)?.[1];
  if (finish === undefined) return TEXT;
  return finish === 'abort' ? ABORTED : { kind: 'finish', reason: finish };
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
