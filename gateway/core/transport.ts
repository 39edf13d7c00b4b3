import type { GatewayError } from './errors.ts';

/** A request as it goes to a worker. Only these headers travel. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly bytes: Buffer } | null;
}

export interface UpstreamHead {
  readonly status: number;
  /** Lower-case; '' when absent. */
  readonly contentType: string;
  /** null: chunked, or until the connection closes. */
  readonly contentLength: number | null;
  /** What vLLM says of the vectors in an answer of bare bytes, up to 256 KB of JSON; absent where it says nothing. */
  readonly metadata?: string;
  /** How long the worker wants to be left alone; absent where it does not say. */
  readonly retryAfterMs?: number;
}

/** Payload found in what was just read: chunk i lies at bytes [starts[i], ends[i]) of the buffer handed over. */
export interface FrameBatch {
  /** Whole frames, exactly as read. */
  bytes: Buffer;
  count: number;
  readonly starts: number[];
  readonly ends: number[];
}

/**
 * What the transport tells of one exchange, in this order: connected, sent, head, then frames or data, then end; or failed at any point.
 * After `end` or `failed` nothing more comes.
 */
export interface UpstreamListener {
  /** The request has been handed to the socket. */
  onSent(): void;
  onHead(head: UpstreamHead): void;
  /** A chunked body: whole frames. The batch is reused, its `bytes` are not. */
  onFrames(batch: FrameBatch): void;
  /** Any other body: bytes of payload. */
  onData(bytes: Buffer): void;
  onEnd(): void;
  onFailed(failure: UpstreamFailure): void;
}

export interface UpstreamFailure {
  readonly error: GatewayError;
  /** short: nothing was sent, for want of something of our own (see `shortageOf`) · connect: nothing was sent · stale: a kept connection was closed before it answered · died: the worker broke off · nonsense: not HTTP */
  readonly kind: 'short' | 'connect' | 'stale' | 'died' | 'nonsense';
}

export interface UpstreamExchange {
  /** Stops reading until `resume`: the client is slow. */
  pause(): void;
  resume(): void;
  /** Ends the exchange at once and frees the worker (its only way to be told). No more is heard from it. */
  abort(): void;
}

/** What the system says when this process, or its host, has no more of what a connection takes. */
const SHORTAGES: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
const DEEPEST = 6;

/**
 * What this side has run out of (EMFILE: it may open no more files), which says nothing of the worker; null for any other failure. The
 * reason may lie under several wrappings (`cause`, or one error for each address that was tried).
 */
export function shortageOf(error: unknown, depth = 0): string | null {
  if (!(error instanceof Error) || depth > DEEPEST) return null;
  if ('code' in error && SHORTAGES.has(error.code)) return String(error.code);
  for (const each of error instanceof AggregateError ? error.errors : []) {
    const shortage = shortageOf(each, depth + 1);
    if (shortage !== null) return shortage;
  }
  return shortageOf(error.cause, depth + 1);
}

/** The way to one worker: connections, their reuse and their limits. */
export interface WorkerTransport {
  exchange(request: UpstreamRequest, listener: UpstreamListener): UpstreamExchange;
  /** A small GET (health, metrics, models) with its own time limit. `via`: told, where it is given. @throws on failure or time-out. */
  get(path: string, timeoutMs: number, via?: string): Promise<{ status: number; body: string }>;
  /** Sockets open, for leak checks. */
  readonly openSockets: number;
  close(): Promise<void>;
}
