import type { Clock } from '../../core/clock.ts';
import type { UpstreamHead } from '../../core/transport.ts';

/** What of a response's head decides how its body is read and what becomes of the connection. */
export interface ResponseHead {
  readonly status: number;
  /** Lower-case; '' when absent. */
  readonly contentType: string;
  readonly framing: { readonly kind: 'length'; readonly bytes: number } | { readonly kind: 'chunked' } | { readonly kind: 'until-close' };
  readonly keepAlive: boolean;
  /** Seconds, from `keep-alive: timeout=N`; null when the worker does not say. */
  readonly keepAliveSeconds: number | null;
  /** Which request the worker says that it answers; null where it does not say. */
  readonly requestId: string | null;
  /** Lower-case; '' when absent. */
  readonly contentEncoding: string;
  readonly metadata: string | null;
  /** As written: seconds, or a date. */
  readonly retryAfter: string | null;
  /** Where the body begins. */
  readonly bodyStart: number;
}

/** vLLM describes each vector of an answer of bare bytes in a header: 256 KB of it, and the rest. */
const MAX_HEAD_BYTES = 327_680;
/** What no header holds, and what one of ours must not: a bare line break ends a header for some readers and not for others. */
const CONTROL = /[^\t\x20-\x7e\x80-\xff]/;
const END = Buffer.from('\r\n\r\n');

/**
 * Reads an HTTP/1.x response head from the start of `bytes`.
 * @returns null while it is incomplete; 'invalid' when this is not a head we would trust (RFC 9112 §6.3).
 */
export function parseResponseHead(bytes: Buffer): ResponseHead | null | 'invalid' {
  const end = bytes.indexOf(END);
  if (end < 0) return bytes.length > MAX_HEAD_BYTES || !mayBeHttp(bytes) ? 'invalid' : null;
  if (end > MAX_HEAD_BYTES) return 'invalid';
  const lines = bytes.toString('latin1', 0, end).split('\r\n');
  const statusLine = lines[0]!;
  if (!/^HTTP\/1\.[01] [1-5]\d\d(?: |$)/.test(statusLine)) return 'invalid';
  const status = Number(statusLine.slice(9, 12));

  let contentType = '';
  let length: number | null = null;
  let chunked = false;
  let keepAlive = statusLine.charCodeAt(7) === 0x31;
  let keepAliveSeconds: number | null = null;
  let requestId: string | null = null;
  let contentEncoding = '';
  let metadata: string | null = null;
  let retryAfter: string | null = null;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!;
    const colon = line.indexOf(':');
    // A line that begins with a space would continue the one before it (RFC 9112 §5.2).
    if (colon <= 0 || line.charCodeAt(0) === 0x20 || line.charCodeAt(0) === 0x09 || CONTROL.test(line)) return 'invalid';
    const value = line.slice(colon + 1).trim();
    switch (line.slice(0, colon).trimEnd().toLowerCase()) {
      case 'content-type':
        contentType = value.toLowerCase();
        break;
      case 'content-length':
        if (!/^\d{1,15}$/.test(value) || (length !== null && length !== Number(value))) return 'invalid';
        length = Number(value);
        break;
      case 'transfer-encoding':
        if (value.toLowerCase() !== 'chunked') return 'invalid';
        chunked = true;
        break;
      case 'connection':
        if (/\bclose\b/i.test(value)) keepAlive = false;
        else if (/\bkeep-alive\b/i.test(value)) keepAlive = true;
        break;
      case 'keep-alive': {
        const seconds = /timeout=(\d{1,6})/i.exec(value)?.[1];
        if (seconds !== undefined) keepAliveSeconds = Number(seconds);
        break;
      }
      case 'x-request-id':
        requestId = value;
        break;
      case 'content-encoding':
        contentEncoding = contentEncoding === '' ? value.toLowerCase() : `${contentEncoding}, ${value.toLowerCase()}`;
        break;
      case 'metadata':
        metadata = value;
        break;
      case 'retry-after':
        retryAfter = value;
        break;
    }
  }
  if (chunked && length !== null) return 'invalid';
  const framing =
    status < 200 || status === 204 || status === 304
      ? ({ kind: 'length', bytes: 0 } as const)
      : chunked
        ? ({ kind: 'chunked' } as const)
        : length !== null
          ? ({ kind: 'length', bytes: length } as const)
          : ({ kind: 'until-close' } as const);
  return {
    status,
    contentType,
    framing,
    keepAlive: keepAlive && framing.kind !== 'until-close',
    keepAliveSeconds,
    requestId,
    contentEncoding,
    metadata,
    retryAfter,
    bodyStart: end + END.length,
  };
}

/** What of it concerns whoever asked. */
export function upstreamHead(head: ResponseHead, clock: Clock): UpstreamHead {
  const { status, contentType, framing, metadata, retryAfter } = head;
  const contentLength = framing.kind === 'length' ? framing.bytes : null;
  const waitMs = retryAfter === null ? null : retryAfterMs(retryAfter, clock.wall());
  if (metadata === null && waitMs === null) return { status, contentType, contentLength };
  return { status, contentType, contentLength, ...(metadata !== null && { metadata }), ...(waitMs !== null && { retryAfterMs: waitMs }) };
}

/** Milliseconds that a `retry-after` means (RFC 9110 §10.2.3); null where it means none. `wallMs`: since the epoch */
export function retryAfterMs(written: string, wallMs: number): number | null {
  if (/^\d{1,9}$/.test(written)) return Number(written) * 1000;
  const at = Date.parse(written);
  return Number.isNaN(at) || at <= wallMs ? null : at - wallMs;
}

function mayBeHttp(bytes: Buffer): boolean {
  const start = 'HTTP/1.';
  return start.startsWith(bytes.toString('latin1', 0, Math.min(bytes.length, start.length)));
}
