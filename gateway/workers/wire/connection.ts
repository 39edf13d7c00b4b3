import type { Socket } from 'node:net';
import type { Clock, Timer } from '../../core/clock.ts';
import type { GatewayError } from '../../core/errors.ts';
import { shortageOf, type UpstreamExchange, type UpstreamFailure, type UpstreamListener } from '../../core/transport.ts';
import { unreachedBecause } from '../../vllm/unreached.ts';
import { Addressee } from './addressee.ts';
import { ChunkPayload } from './chunk-payload.ts';
import { ChunkWalker } from './chunk-frames.ts';
import { type Decoded, decoded, isCoded, unknownCoding } from './decoded.ts';
import { failure, tooLate } from './failure.ts';
import { frameOf, isEventStream } from './frame-of.ts';
import { LateRequest } from './late-request.ts';
import { type Endpoint, openSocket } from './open-socket.ts';
import { parseResponseHead, type ResponseHead, upstreamHead } from './response-head.ts';

/** How a connection tells its pool that it may be used again, or is gone. */
export interface ConnectionOwner {
  onIdle(connection: Connection): void;
  onClosed(connection: Connection): void;
  /** There was no connection to be had for want of something of our own (`shortageOf`). */
  onShortage(what: string): void;
  /** Bytes have come that nobody asked for, these at their beginning. The connection is closing. */
  onUnasked(connection: Connection, bytes: Buffer): void;
  /** Whether an answer that names `answered` cannot be the one to the request `asked`. */
  readonly isAnothers: (answered: string, asked: string) => boolean;
}

/** No worker closes a connection for having been idle less than this (vLLM: 5 s). */
const STALE_REST_MS = 1_000;
/** A close that was under way as we wrote is noticed within this, however busy both sides are. */
const STALE_NOTICE_MS = 1_000;

type Reading =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'head' }
  | { readonly kind: 'length'; left: number }
  | { readonly kind: 'frames'; readonly walker: ChunkWalker }
  | { readonly kind: 'payload'; readonly decoder: ChunkPayload }
  | { readonly kind: 'until-close' };

const NO_BYTES = Buffer.alloc(0);
const NOTHING: Reading = { kind: 'nothing' };
const HEAD: Reading = { kind: 'head' };

/**
 * One connection to a worker, one exchange at a time. It is ours rather than a library's because a stream's chunk frames pass through it
 * untouched: decoding and encoding them again costs as much as everything else a token meets here.
 */
export class Connection implements UpstreamExchange {
  readonly #socket: Socket;
  readonly #owner: ConnectionOwner;
  readonly #clock: Clock;
  #listener: UpstreamListener | null = null;
  #reading: Reading = NOTHING;
  #head: ResponseHead | null = null;
  #held: Buffer | null = null;
  #connectTimer: Timer | null;
  #connected = false;
  #answered = false;
  #sentAt = 0;
  readonly #request: LateRequest;
  /** Since when it has been idle; null before its first exchange has ended. Monotonic ms, as all here. */
  #restedSince: number | null = null;
  #error: Error | null = null;
  /** No connection came about in its time. */
  #late: GatewayError | null = null;
  readonly #addressee = new Addressee();
  #decoding: Decoded | null = null;
  /** Monotonic ms until which the connection may be taken from the pool. */
  usableUntil = 0;
  /** Milliseconds the worker keeps an idle connection, when it said so. */
  keepAliveMs: number | null = null;

  constructor(endpoint: Endpoint, owner: ConnectionOwner, clock: Clock, connectMs: number) {
    this.#owner = owner;
    this.#clock = clock;
    const socket = openSocket(endpoint, (read) => this.#onData(read));
    this.#socket = socket;
    this.#request = new LateRequest(socket, () => {
      if (this.#connected) this.#listener?.onSent();
    });
    this.#connectTimer = clock.after(connectMs, () => {
      const cause = new Error(`no connection within ${connectMs} ms`);
      this.#late = tooLate(connectMs, cause);
      socket.destroy(cause);
    });
    socket.once(endpoint.secure ? 'secureConnect' : 'connect', () => this.#onConnect());
    socket.on('end', () => this.#onEnd());
    socket.on('error', (error) => (this.#error = error));
    socket.on('close', () => this.#onClose());
  }

  get destroyed(): boolean {
    return this.#socket.destroyed;
  }

  /** Sends a request; `head` ends with the empty line, `requestId` is the one in it. The connection must be idle. */
  send(head: string, body: Buffer | null, requestId: string, listener: UpstreamListener): void {
    this.#listener = listener;
    this.#addressee.expect(requestId);
    this.#reading = HEAD;
    this.#head = null;
    this.#answered = false;
    this.#sentAt = this.#clock.now();
    this.#request.put(head, body);
  }

  pause(): void {
    this.#socket.pause();
    this.#decoding?.pause();
  }

  resume(): void {
    this.#socket.resume();
    this.#decoding?.resume();
  }

  abort(): void {
    this.#listener = null;
    this.#decoding?.stop();
    this.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #onConnect(): void {
    this.#connected = true;
    this.#connectTimer?.cancel();
    this.#connectTimer = null;
    if (!this.#request.isWaiting) this.#listener?.onSent();
  }

  #onData(read: Buffer): void {
    const reading = this.#reading;
    if (this.#addressee.undecided && reading !== HEAD && this.#addressee.isAnothersBody(read)) return this.#failAsAnothers();
    switch (reading.kind) {
      case 'frames':
        this.#onFrames(read, reading.walker);
        return;
      case 'length':
        this.#onLength(read, reading);
        return;
      case 'payload': {
        const result = reading.decoder.push(read, (piece) => this.#listener?.onData(piece));
        if (result === 'invalid') this.#fail('nonsense', 'The worker sent a chunked body that is not well formed.');
        else if (result === 'end') this.#finish(read, reading.decoder.rest);
        return;
      }
      case 'until-close':
        this.#onBody(read);
        return;
      case 'head':
        if (this.#request.isWaiting) this.#onTooEarly(read);
        else this.#onHead(read);
        return;
      case 'nothing':
        this.#onUnasked(read);
    }
  }

  #onHead(read: Buffer): void {
    this.#answered = true;
    let bytes = this.#held ? Buffer.concat([this.#held, read]) : read;
    this.#held = null;
    let head = parseResponseHead(bytes);
    // Interim answers (RFC 9110 §15.2) are stepped over.
    while (head !== null && head !== 'invalid' && head.status < 200) {
      bytes = bytes.subarray(head.bodyStart);
      head = bytes.length === 0 ? null : parseResponseHead(bytes);
    }
    if (head === 'invalid') return this.#fail('nonsense', 'The worker did not answer in HTTP.');
    if (head === null) {
      this.#held = bytes.length === 0 ? null : bytes;
      return;
    }
    const rest = bytes.subarray(head.bodyStart);
    this.#head = head;
    if (head.keepAliveSeconds !== null) this.keepAliveMs = head.keepAliveSeconds * 1000;
    if (head.requestId !== null && this.#addressee.isAnothersHead(head.requestId, this.#owner.isAnothers)) return this.#failAsAnothers();
    const { framing } = head;
    if (framing.kind === 'length') this.#reading = { kind: 'length', left: framing.bytes };
    else if (framing.kind === 'until-close') this.#reading = { kind: 'until-close' };
    else if (isEventStream(head.contentType)) this.#reading = { kind: 'frames', walker: new ChunkWalker() };
    else this.#reading = { kind: 'payload', decoder: new ChunkPayload() };
    if (isCoded(head.contentEncoding) && !this.#decode(head.contentEncoding)) return;
    this.#listener?.onHead(upstreamHead(head, this.#clock));
    if (framing.kind === 'length' && framing.bytes === 0) return this.#finish(rest, rest.length);
    if (rest.length > 0) this.#onData(rest);
  }

  /** @returns whether the coding is known. The connection is not used again: what comes of its last bytes is heard of only later. */
  #decode(coding: string): boolean {
    this.#head = null;
    this.#decoding = this.#listener && decoded(this.#listener, coding);
    if (this.#decoding !== null) this.#listener = this.#decoding;
    else if (this.#listener !== null) this.#failWith('nonsense', unknownCoding(coding));
    return this.#listener !== null;
  }

  #onFrames(read: Buffer, walker: ChunkWalker): void {
    const result = walker.walk(read);
    if (walker.batch.count > 0) this.#listener?.onFrames(walker.batch);
    if (result === 'invalid') return this.#fail('nonsense', 'The worker sent a chunked stream that is not well formed.');
    if (result === 'end') this.#finish(read, walker.rest);
  }

  #onLength(read: Buffer, reading: { left: number }): void {
    const take = Math.min(reading.left, read.length);
    reading.left -= take;
    this.#onBody(take === read.length ? read : read.subarray(0, take));
    if (reading.left === 0) this.#finish(read, read.length - take);
  }

  /** Payload that came in no chunks. */
  #onBody(payload: Buffer): void {
    if (this.#head !== null && isEventStream(this.#head.contentType)) this.#listener?.onFrames(frameOf(payload));
    else this.#listener?.onData(payload);
  }

  /** The body is complete: the connection may serve again, if both sides said so and nothing is left over of the last read. */
  #finish(read: Buffer, left: number): void {
    const listener = this.#listener;
    this.#listener = null;
    this.#reading = NOTHING;
    this.#restedSince = this.#clock.now();
    // What follows is to be heard of now, however slow the client was.
    if (this.#socket.isPaused()) this.#socket.resume();
    if (left > 0) this.#onUnasked(read.subarray(read.length - left));
    else if (this.#head?.keepAlive && !this.#socket.destroyed) this.#owner.onIdle(this);
    else this.destroy();
    listener?.onEnd();
  }

  /** A worker that speaks without being asked is not to be trusted with the next request: that may get what is another's. */
  #onUnasked(bytes: Buffer): void {
    if (!this.#socket.destroyed) this.#owner.onUnasked(this, bytes);
    this.destroy();
  }

  /** What comes before the request has been written answers another, and this one may go elsewhere. */
  #onTooEarly(bytes: Buffer): void {
    this.#owner.onUnasked(this, bytes);
    this.#fail('stale', 'The worker answered before it was asked.');
  }

  #failAsAnothers(): void {
    this.#owner.onUnasked(this, NO_BYTES);
    this.#fail('nonsense', 'The worker answered another request than the one that it was asked.');
  }

  /**
   * Whether the worker closed the connection for having been idle, just as we used it again: then it never saw the request. One that had
   * rested too briefly for that, or went on listening for a while, died with the request in its hands.
   */
  #mayBeStale(): boolean {
    if (this.#restedSince === null) return false;
    return this.#sentAt - this.#restedSince >= STALE_REST_MS && this.#clock.now() - this.#sentAt < STALE_NOTICE_MS;
  }

  #fail(kind: UpstreamFailure['kind'], message: string): void {
    this.#failWith(kind, failure(kind, message, this.#error).error);
  }

  #failWith(kind: UpstreamFailure['kind'], error: GatewayError): void {
    const listener = this.#listener;
    this.#listener = null;
    this.#reading = NOTHING;
    this.destroy();
    listener?.onFailed({ kind, error });
  }

  #failToConnect(): void {
    if (this.#late) return this.#failWith('connect', this.#late);
    const shortage = shortageOf(this.#error);
    if (shortage !== null) this.#owner.onShortage(shortage);
    if (shortage === null) this.#fail('connect', unreachedBecause(this.#error));
    else this.#fail('short', 'The gateway can open no more connections just now. Retry shortly.');
  }

  #onEnd(): void {
    if (this.#reading.kind === 'until-close' && this.#error === null) this.#finish(NO_BYTES, 0);
  }

  #onClose(): void {
    this.#connectTimer?.cancel();
    this.#connectTimer = null;
    if (this.#listener) {
      if (!this.#connected) this.#failToConnect();
      else if (this.#request.isWaiting || (!this.#answered && this.#mayBeStale()))
        this.#fail('stale', 'The worker closed a kept connection.');
      else this.#fail('died', 'The worker broke off the connection.');
    }
    this.#owner.onClosed(this);
  }
}
