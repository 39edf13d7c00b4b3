import type { FrameBatch } from '../core/transport.ts';

/** What one read of a stream holds, beyond text to pass on. */
export type Look =
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
  | { readonly kind: 'finish'; readonly reason: string };

const FINISH = Buffer.from('"finish_reason":"');
/** An error event behind another event in one chunk, where something on the way has put chunks together. */
const LATER_ERROR = Buffer.from('\n\ndata: {"e');
const LATER_NAMED_ERROR = Buffer.from('\n\nevent: e');
const TEXT: EventKind = { kind: 'text' };
const DONE: EventKind = { kind: 'done' };
const ABORTED: EventKind = { kind: 'aborted' };

const NEWLINE = 0x0a;

/** Whether a chunk's payload is whole events: vLLM writes one event a chunk, so anything else is rare. */
export function endsEvent(bytes: Buffer, start: number, end: number): boolean {
  return end - start >= 2 && bytes[end - 1] === NEWLINE && bytes[end - 2] === NEWLINE;
}

/**
 * Looks at a batch of whole frames without decoding any. 'plain' needs: every chunk begins `data: {"i` (the id of a completion chunk) or
 * a named event, ends an event, and no finish reason is set in any.
 */
export function lookAt(batch: FrameBatch): Look {
  const { bytes, count, starts, ends } = batch;
  for (let i = 0; i < count; i++) {
    const start = starts[i]!;
    const end = ends[i]!;
    if (!endsEvent(bytes, start, end)) return 'special';
    // `data: {"error"` and `data: [DONE]` differ from `data: {"id"` at these bytes.
    if (bytes[start] === 0x64 && (bytes[start + 6] !== 0x7b || bytes[start + 8] === 0x65)) return 'special';
    if (bytes[start] === 0x65 && bytes[start + 7] === 0x65) return 'special';
  }
  return bytes.includes(FINISH) || bytes.includes(LATER_ERROR) || bytes.includes(LATER_NAMED_ERROR) ? 'special' : 'plain';
}

/** What one whole event (or several in one chunk) says. */
export function readEvent(text: string): EventKind {
  if (text.startsWith('data: [DONE]') || text.includes('\ndata: [DONE]')) return DONE;
  const error = /^(?:event: error\n)?data: (\{ ?"(?:error|type": ?"error)".*)$/m.exec(text)?.[1];
  if (error !== undefined) return { kind: 'error', message: errorMessage(error) };
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
