import { buildConnector, Pool } from 'undici';
import type { Clock, Timer } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import {
  shortageOf,
  type UpstreamExchange,
  type UpstreamListener,
  type UpstreamRequest,
  type WorkerTransport,
} from '../../core/transport.ts';
import { ApiPlace } from './api-place.ts';
import { Connection, type ConnectionOwner } from './connection.ts';
import type { Endpoint } from './open-socket.ts';
import { RestingConnections } from './resting.ts';

export interface TransportOptions {
  /** http(s)://host:port */
  readonly url: string;
  /** Where the paths that begin with /v1 lie there. Default: at /v1. */
  readonly apiPath?: string | undefined;
  /** Sent as a bearer token; the client's own key never travels. */
  readonly apiKey: string | null;
  readonly clock: Clock;
  /** Read at every connect, so that a reload takes effect. Milliseconds. */
  readonly connectMs: () => number;
  /** Idle milliseconds after which a connection is not used again: below the worker's own limit (vLLM closes after 5 s). */
  readonly keepAliveMs?: number;
  /** Called once, when the worker first says what nobody asked it. */
  readonly onUnasked?: () => void;
  /** Called each time that there was no connection to be had for want of something of our own (`shortageOf`). */
  readonly onShortage?: (what: string) => void;
  /** How many connections of a worker must have rested in silence before others are used again at once. */
  readonly proofs?: number;
}

const KEEP_ALIVE_MS = 4_000;
/** A worker that names its own limit is believed up to here, with a second to spare. */
const MAX_KEEP_ALIVE_MS = 60_000;
/** Health and metrics are each asked for one at a time. */
const ASKING_CONNECTIONS = 2;
/** How long a worker that said what nobody asked is sent each request on a connection of its own. */
const DISTRUST_MS = 600_000;
/** What some servers say before they close a connection that has rested too long. */
const REST_IS_OVER = /^HTTP\/1\.[01] 408/;
const MAX_SMALL_ANSWER_BYTES = 4_194_304;

/**
 * The way to one worker. Calls ride on connections of our own, because that is what a token costs least on: in a bare Node relay 27.7
 * instead of 31.8 CPU µs a request, and 11.2 instead of 18.0 a streamed chunk at 1,000 streams, measured beside undici's `dispatch` (Node
 * 26.10, undici 8.12, two cores). Health and metrics ride on an undici pool, which knows all of HTTP and need not be fast.
 */
export function createTransport(options: TransportOptions): WorkerTransport {
  return new Transport(options);
}

class Transport implements WorkerTransport, ConnectionOwner {
  readonly #options: TransportOptions;
  readonly #endpoint: Endpoint;
  readonly #fixedHead: string;
  readonly #place: ApiPlace | null;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  readonly #resting: RestingConnections<Connection>;
  /** The worker has named the request that it answers. */
  #namesRequests = false;
  #saidUnasked = false;
  #distrustedUntil = -Infinity;
  /** Health and metrics have connections of their own. */
  readonly #asks: Pool;
  readonly #keepAliveMs: number;
  #sweep: Timer | null = null;
  #closed = false;

  constructor(options: TransportOptions) {
    this.#options = options;
    const url = new URL(options.url);
    const secure = url.protocol === 'https:';
    const host = url.hostname.replace(/^\[|\]$/g, '');
    this.#endpoint = { secure, host, port: Number(url.port) || (secure ? 443 : 80) };
    this.#fixedHead =
      ` HTTP/1.1\r\nhost: ${url.host}\r\nconnection: keep-alive\r\naccept-encoding: identity\r\n` +
      (options.apiKey === null ? '' : `authorization: Bearer ${options.apiKey}\r\n`);
    this.#place = options.apiPath === undefined ? null : new ApiPlace(options.apiPath);
    this.#keepAliveMs = options.keepAliveMs ?? KEEP_ALIVE_MS;
    this.#resting = new RestingConnections(options.clock, (connection) => this.#onRested(connection), options.proofs);
    this.#asks = new Pool(url.origin, {
      connections: ASKING_CONNECTIONS,
      pipelining: 1,
      keepAliveTimeout: this.#keepAliveMs,
      keepAliveMaxTimeout: this.#keepAliveMs,
      connect: (where, done) => buildConnector({ timeout: options.connectMs() })(where, done),
    });
  }

  get openSockets(): number {
    return this.#all.size;
  }

  exchange(request: UpstreamRequest, listener: UpstreamListener): UpstreamExchange {
    const { body } = request;
    let head = `${request.method} ${this.#pathOf(request.path)}${this.#fixedHead}`;
    for (const name in request.headers) head += `${name}: ${request.headers[name]}\r\n`;
    head += body ? `content-length: ${body.bytes.length}\r\n\r\n` : '\r\n';
    const connection = this.#take();
    connection.send(head, body?.bytes ?? null, request.headers['x-request-id'] ?? '', listener);
    return connection;
  }

  async get(path: string, timeoutMs: number, via?: string): Promise<{ status: number; body: string }> {
    const signal = AbortSignal.timeout(timeoutMs);
    const headers = { ...this.#authorization(), 'accept-encoding': 'identity', ...(via !== undefined && { via }) };
    const response = await this.#asks.request({ path: this.#pathOf(path), method: 'GET', headers, signal }).catch((error: unknown) => {
      const shortage = shortageOf(error);
      if (shortage !== null) this.onShortage(shortage);
      throw error;
    });
    const pieces: Buffer[] = [];
    let bytes = 0;
    for await (const piece of response.body as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > MAX_SMALL_ANSWER_BYTES) {
        response.body.destroy();
        throw new GatewayError('upstream_error', `The worker's answer to GET ${path} is larger than ${MAX_SMALL_ANSWER_BYTES} bytes.`);
      }
      pieces.push(piece);
    }
    return { status: response.statusCode, body: Buffer.concat(pieces).toString('utf8') };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#sweep?.cancel();
    for (const connection of this.#all) connection.destroy();
    await this.#asks.destroy();
  }

  onIdle(connection: Connection): void {
    const now = this.#options.clock.now();
    const said = connection.keepAliveMs;
    const keepMs = said === null ? this.#keepAliveMs : Math.max(0, Math.min(said - 1_000, MAX_KEEP_ALIVE_MS));
    if (this.#closed || keepMs === 0 || now < this.#distrustedUntil) return connection.destroy();
    connection.usableUntil = now + keepMs;
    this.#resting.add(connection, this.#namesRequests);
  }

  #onRested(connection: Connection): void {
    const { clock } = this.#options;
    const leftMs = connection.usableUntil - clock.now();
    if (this.#closed || leftMs <= 0 || clock.now() < this.#distrustedUntil) return connection.destroy();
    this.#idle.push(connection);
    this.#sweep ??= clock.after(leftMs + 100, () => this.#closeStale());
  }

  onUnasked(_connection: Connection, bytes: Buffer): void {
    if (!this.#saidUnasked) this.#options.onUnasked?.();
    this.#saidUnasked = true;
    if (REST_IS_OVER.test(bytes.toString('latin1', 0, 12))) return;
    this.#distrustedUntil = this.#options.clock.now() + DISTRUST_MS;
    for (const idle of this.#idle) idle.destroy();
    this.#idle.length = 0;
  }

  /** A proxy may give answers ids of its own: that the worker names another request is known only where it has named the right one before. */
  readonly isAnothers = (answered: string, asked: string): boolean => {
    if (answered !== asked) return this.#namesRequests;
    this.#namesRequests = true;
    return false;
  };

  onShortage(what: string): void {
    this.#options.onShortage?.(what);
  }

  onClosed(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** The connection used last is the likeliest to be alive. */
  #take(): Connection {
    const now = this.#options.clock.now();
    for (let connection = this.#idle.pop(); connection; connection = this.#idle.pop()) {
      if (connection.usableUntil > now) return connection;
      connection.destroy();
    }
    const connection = new Connection(this.#endpoint, this, this.#options.clock, this.#options.connectMs());
    this.#all.add(connection);
    return connection;
  }

  #closeStale(): void {
    const now = this.#options.clock.now();
    for (const connection of this.#idle.filter((idle) => idle.usableUntil <= now)) connection.destroy();
    const next = this.#idle.reduce((soonest, idle) => Math.min(soonest, idle.usableUntil), Infinity);
    this.#sweep = next === Infinity ? null : this.#options.clock.after(Math.max(100, next - now), () => this.#closeStale());
  }

  #pathOf(path: string): string {
    return this.#place === null ? path : this.#place.pathOf(path);
  }

  #authorization(): Record<string, string> {
    return this.#options.apiKey === null ? {} : { authorization: `Bearer ${this.#options.apiKey}` };
  }
}
