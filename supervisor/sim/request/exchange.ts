import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { RequestFault } from '../settings/faults.ts';
import type { Sim } from '../engine/sim.ts';
import { ApiError, badRequest, invalidFields } from './api-error.ts';
import { EventStream } from './event-stream.ts';
import { type BodyShape, checkBody, checkFields, isObject, type JsonObject } from './fields.ts';
import { checkLater, type Checked } from '../body/check.ts';
import { rawProblemText } from '../body/problem.ts';
import type { BodyName } from '../body/shapes.ts';
import { readPythonJson } from '../python/json.ts';
import { pythonFloat } from '../python/values.ts';
import { reset } from './reset.ts';

// An import of it would load Node's own fetch as well, unused, in 40 ms of CPU time: as long as all the rest of a small program.
const { STATUS_CODES } = process.getBuiltinModule('node:http');

const CHUNKED = ['transfer-encoding', 'chunked'] as const;

let dateText = '';
let dateSecond = 0;

function httpDate(): string {
  const second = Math.floor(Date.now() / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateText = new Date().toUTCString();
  }
  return dateText;
}

/** Sixteen hex digits: vLLM makes its ids of such. */
export function hexId(): string {
  return randomBytes(8).toString('hex');
}

/** Seconds since the epoch. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}

/** Python reads a byte order mark as nothing, and nothing else than UTF-8. null: it is not. */
function utf8Text(bytes: Buffer): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function parseBody(bytes: Buffer): unknown {
  const text = utf8Text(bytes);
  if (text === null) throw new BodyNotRead('There was an error parsing the body');
  const read = readPythonJson(text);
  if ('value' in read) return read.value;
  const { at, message } = read;
  throw invalidFields([{ type: 'json_invalid', loc: ['body', at], msg: 'JSON decode error', input: {}, ctx: { error: message } }]);
}

/** FastAPI's own word, in its own shape. */
class BodyNotRead extends ApiError {
  constructor(detail: string) {
    super(400, 'Bad Request', detail);
  }
}

/** One request and its answer, with the header lines that uvicorn and vLLM's middleware write. */
export class Exchange {
  readonly sim: Sim;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly query: URLSearchParams;
  /** The route as it is written, null for a path that has none. */
  route: string | null = null;
  /** Parts of the path that have names. */
  parameters: Readonly<Record<string, string>> = {};
  /** What is to go wrong with this request. */
  fault: RequestFault | null = null;
  /** What it is answered with never comes by the middleware that adds header lines. */
  outside = false;
  /** The client wants to know how likely its prompt was. */
  readsPromptLogprobs = false;
  /** What keeps its prompt apart in the prefix cache; null: nothing. */
  cacheSalt: string | null = null;
  /** As its body says; less is sooner. */
  priority = 0;

  #later: Checked['later'] = [];

  constructor(sim: Sim, request: IncomingMessage, response: ServerResponse) {
    this.sim = sim;
    this.request = request;
    this.response = response;
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    this.path = mark < 0 ? url : url.slice(0, mark);
    this.query = new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1));
  }

  header(name: string): string | null {
    const value = this.request.headers[name];
    return typeof value === 'string' ? value : null;
  }

  /** The id that the answer is known by: what the client sent, or a fresh one. */
  requestId(body: JsonObject): string {
    const own = body['request_id'];
    return this.header('x-request-id') ?? (typeof own === 'string' ? own : hexId());
  }

  /** The whole body. */
  async read(): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of this.request) parts.push(part as Buffer);
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  /** The body as JSON of the given shape; `before` sees it first, as it came. Throws ApiError as FastAPI would. */
  async readJson(shape: BodyName | BodyShape, before: (body: JsonObject) => JsonObject = (body) => body): Promise<JsonObject> {
    const bytes = await this.read();
    const mediaType = (this.header('content-type') ?? '').split(';')[0]!.trim().toLowerCase();
    if (mediaType !== 'application/json') {
      throw new ApiError(400, 'Bad Request', "1 validation error:\n  Unsupported Media Type: Only 'application/json' is allowed");
    }
    const sent = bytes.length === 0 ? null : parseBody(bytes);
    const body = isObject(sent) ? before(sent) : sent;
    if (typeof shape === 'object') return checkFields(body, shape);
    const checked = checkBody(shape, body);
    this.#later = checked.later;
    const { priority, cache_salt: salt } = checked.body;
    // Anthropic's messages have no such field.
    if (typeof priority === 'number' && shape !== 'message') this.priority = priority;
    if (typeof salt === 'string' && shape !== 'message') this.cacheSalt = salt;
    return checked.body;
  }

  /** Looks at what the body holds in lists that vLLM reads as it renders the prompt, and not before. Throws ApiError. */
  checkParts(): void {
    for (const list of this.#later) {
      const problems = checkLater(list);
      if (problems.length > 0) throw badRequest(rawProblemText('ValidatorIterator', problems));
    }
  }

  /** All header lines, in uvicorn's order: `more` before those of the middleware, `last` after them. */
  #headers(more: readonly string[], last: readonly string[] = []): string[] {
    const headers = ['date', httpDate(), 'server', 'uvicorn', ...more];
    if (!this.outside) headers.push('vary', 'Origin');
    if (this.sim.settings.requestIdHeaders) headers.push('x-request-id', this.header('x-request-id') ?? randomBytes(16).toString('hex'));
    if (!this.response.shouldKeepAlive) headers.push('connection', 'close');
    headers.push(...last);
    return headers;
  }

  /** The header with the engine's load, for requests that ask with `endpoint-load-metrics-format`. */
  #loadHeader(): readonly string[] {
    const format = this.header('endpoint-load-metrics-format')?.toUpperCase();
    if (format !== 'JSON' && format !== 'TEXT') return [];
    const { gauges } = this.sim.engine;
    const waiting = pythonFloat(gauges.waiting);
    const usage = pythonFloat(gauges.kvUsage);
    const value =
      format === 'JSON'
        ? `JSON {"named_metrics": {"num_requests_waiting": ${waiting}, "kv_cache_usage_perc": ${usage}}}`
        : `TEXT named_metrics.num_requests_waiting=${waiting}, named_metrics.kv_cache_usage_perc=${usage}`;
    return ['endpoint-load-metrics', value];
  }

  #head(status: number, headers: string[]): void {
    // uvicorn does not say that a connection stays open; Node would.
    this.response.removeHeader('connection');
    this.response.writeHead(status, STATUS_CODES[status] ?? '', headers);
  }

  /** Answers with text of a known length. */
  send(status: number, contentType: string | null, body: string, more: readonly string[] = []): void {
    if (this.response.headersSent || this.response.destroyed) return;
    const type = contentType === null ? [] : ['content-type', contentType];
    const load = status === 200 && type.length > 0 ? this.#loadHeader() : [];
    this.#head(status, this.#headers([...load, ...more, 'content-length', String(Buffer.byteLength(body)), ...type]));
    this.response.end(body);
  }

  /** Answers 200 with text whose length is not told beforehand. */
  chunked(contentType: string, body: string | Buffer, more: readonly string[] = []): void {
    this.#head(200, this.#headers([...more, 'content-type', contentType], CHUNKED));
    this.response.end(body);
  }

  json(status: number, body: unknown, more: readonly string[] = []): void {
    this.send(status, 'application/json', typeof body === 'string' ? body : JSON.stringify(body), more);
  }

  fail(error: ApiError): void {
    const { message, type, param, status } = error;
    if (error instanceof BodyNotRead) return this.json(status, { detail: message });
    // What FastAPI refuses has not been seen by the part that speaks Anthropic's language.
    if (this.path.startsWith('/v1/messages') && type !== 'Bad Request')
      return this.json(status, { type: 'error', error: { type, message } });
    this.json(status, { error: { message, type, param, code: status } });
  }

  /** Sends the head of an event stream, before anything is known of its first token. */
  stream(): EventStream {
    this.#head(200, this.#headers(['content-type', 'text/event-stream; charset=utf-8'], CHUNKED));
    return new EventStream(this.response);
  }

  /** Ends the connection in the middle of a stream, as uvicorn does where the application has raised. */
  breakOff(): void {
    this.request.socket.end();
  }

  /** Cuts the connection as a crash would. */
  cut(): void {
    const { socket } = this.request;
    // Only TCP knows a reset.
    if (this.sim.settings.uds === null) reset(socket);
    else socket.destroy();
  }
}
