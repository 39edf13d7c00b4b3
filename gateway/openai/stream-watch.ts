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
  /** The worker's own error event; `message` is for the log. */
  | { readonly kind: 'error'; readonly message: string }
  /** finish_reason "abort": the engine gave the request up, whatever its status line said. */
  | { readonly kind: 'aborted' }
  | { readonly kind: 'finish'; readonly reason: string }
  /** The last event of a messages or responses stream. */
  | { readonly kind: 'final' };

const FINISH = Buffer.from('"finish_reason":"');
const BOUNDARY = Buffer.from('\n\n');
const TEXT: EventKind = { kind: 'text' };
const DONE: EventKind = { kind: 'done' };
const ABORTED: EventKind = { kind: 'aborted' };
const FINAL: EventKind = { kind: 'final' };

/**
 * Looks at a batch of whole frames without decoding any. 'plain' means: every chunk is one event, as vLLM writes them, and none is an error,
 * [DONE] or sets a finish reason. Chunks that something on the way has put together or cut are looked at event by event.
 */
export function lookAt(batch: FrameBatch): Look {
  const { bytes, count, starts, ends } = batch;
  for (let i = 0; i < count; i++) {
    const start = starts[i]!;
    // The first blank line of the chunk is its end.
    if (bytes.indexOf(BOUNDARY, start) !== ends[i]! - BOUNDARY.length) return 'special';
    // `data: {"error"` and `data: [DONE]` differ from `data: {"id"` at these bytes.
    if (bytes[start] === 0x64 && (bytes[start + 6] !== 0x7b || bytes[start + 8] === 0x65)) return 'special';
    if (bytes[start] === 0x65 && namedSpecially(bytes, start + 'event: '.length)) return 'special';
  }
  return bytes.includes(FINISH) ? 'special' : 'plain';
}

/** Whether an event's name, which begins at `at`, may be `error`, `message_stop` or the end of a response: a few bytes tell. */
function namedSpecially(bytes: Buffer, at: number): boolean {
  switch (bytes[at]) {
    case 0x65:
      return true;
    case 0x6d:
      return bytes[at + 'message_st'.length] === 0x6f;
    case 0x72: {
      const [first, second] = [bytes[at + 'response.'.length], bytes[at + 'response.'.length + 1]];
      // completed, failed, incomplete; not the frequent output_text.delta and function_call_arguments.delta
      return first === 0x63 || (first === 0x66 && second === 0x61) || first === 0x69;
    }
    default:
      return false;
  }
}

/** What one whole event says. */
export function readEvent(text: string): EventKind {
  if (text.startsWith('data: [DONE]') || text.includes('\ndata: [DONE]')) return DONE;
  const error = /^(?:event: error\n)?data: (\{ ?"(?:error|type": ?"error)".*)$/m.exec(text)?.[1];
  if (error !== undefined) return { kind: 'error', message: errorMessage(error) };
  if (/^event: (?:message_stop|response\.(?:completed|failed|incomplete))$/m.test(text)) return FINAL;
  const finish = /"finish_reason":"([a-z_]+)"/.exec(text)?.[1];
  if (finish === undefined) return TEXT;
  return finish === 'abort' ? ABORTED : { kind: 'finish', reason: finish };
}

function errorMessage(json: string): string {
  try {
    const value = JSON.parse(json);
    const message: unknown = value?.error?.message ?? value?.message;
    return typeof message === 'string' ? message : 'unknown';
  } catch {
    return 'unreadable';
  }
}
