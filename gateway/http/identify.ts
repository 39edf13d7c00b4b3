import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { Clock } from '../core/clock.ts';
import { cameBy } from '../core/hops/via.ts';
import { makeCall, type Call, type OnlyAt, type Peek, type Priority, type Route } from '../core/call.ts';
import { GatewayError } from '../core/errors.ts';
import { FALLBACK_HEADER, fallbacksOf, keepsModel } from '../core/pools/fallbacks.ts';
import { mayUse, nameOf, type Principal } from '../core/principal.ts';
import { type CallTrace, readTraceParent } from '../core/trace/call-trace.ts';
import type { ModelEntry, WorkerDirectory } from '../core/worker.ts';
import { type BodyRead, isOneName, jsonCallBody } from '../openai/call-body.ts';
import { modelMeant, shownName, unknownModel } from '../openai/model-names.ts';
import { checkDeclaredLength, readBody } from './body/read-body.ts';
import { boundaryOf } from './body/form-reader.ts';
import type { Turns } from './body/turns.ts';
import { peekUpload, renameModel } from './body/upload.ts';
import { storedId } from './routes.ts';

/** What is known of a call before its body is read. */
export interface CallHead {
  readonly id: string;
  readonly route: Route;
  readonly principal: Principal;
  /** Monotonic ms at which the request's head was complete. */
  readonly arrivedAt: number;
  /** null: nobody traces. */
  readonly trace: CallTrace | null;
}

export type SessionSource = 'header' | 'prompt_cache_key' | 'user';

/** Told of a body as it is read. */
interface BodyReading {
  /** Nothing in the request's head speaks against reading its body. */
  readonly onWanted: () => void;
  /** How much there is of it in memory. What it throws refuses the request. */
  readonly onLength: (bytes: number) => void;
}

export interface IdentifyContext {
  readonly clock: Clock;
  readonly directory: WorkerDirectory;
  readonly maxBodyBytes: () => number;
  readonly turns: Turns;
  /**
   * Where the answer of that name is, which one worker has alone; null where that is not known, 'anothers' where it is not the asker's.
   * `asker`: the name of a key; null: whoever has none
   */
  readonly answerPlace: (answer: string, asker: string | null) => { readonly worker: string; readonly model: string } | 'anothers' | null;
  /** What names the conversation that a call belongs to, the first that it has; empty: nobody asks for that. */
  readonly sessionSources: () => readonly SessionSource[];
  /** Whether anybody asks how prompts begin. */
  readonly wantsPrefix: () => boolean;
  /** Whether a client's own trace goes on to the worker with its sampling decision, where nobody traces here. */
  readonly trustTrace: () => boolean;
  /** The id of this gateway. */
  readonly gatewayId: string;
}

/** A smaller body is parsed in a few milliseconds at most. */
const LARGE_BYTES = 262_144;
const REQUEST_ID = /^[\w.-]{1,128}$/;
const SESSION_ID = /^[\x21-\x7e]{1,256}$/;
const ACCEPT = /^[\x20-\x7e]{1,256}$/;
const TRACE_STATE = /^[\x20-\x7e]{1,512}$/;
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;
const CHARSET = /;\s*charset=("?)([\w-]+)\1/i;

/** The client's request id if it is one we would print, else a new one. */
export function requestIdOf(headers: IncomingHttpHeaders, newId: () => string): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : newId();
}

/**
 * Reads as much of a request as the policies need and makes a call of it: the only place where bytes become something to decide on.
 * @throws every client error of the table that concerns the body, and model_not_found
 */
export async function identify(
  context: IdentifyContext,
  incoming: IncomingMessage,
  { id, route, principal, arrivedAt, trace }: CallHead,
  reading: BodyReading,
): Promise<Call> {
  const { headers } = incoming;
  const came = cameBy(headers.via, context.gatewayId);
  const encoding = headers['content-encoding'];
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new GatewayError('unsupported_encoding', 'Compressed request bodies are not accepted; send the body without Content-Encoding.');
  }
  const maxBytes = context.maxBodyBytes();
  checkDeclaredLength(incoming, maxBytes);
  const contentType = headers['content-type'] ?? '';
  if (route.body === 'json') checkJsonType(contentType);
  else checkUploadType(contentType);
  const boundary = route.body === 'json' ? '' : boundaryOf(contentType);
  reading.onWanted();
  // All of it, of an upload too: a place at a worker is for calls that can run, not for clients that are still sending.
  const bytes = await readBody(incoming, maxBytes, context.clock, reading.onLength);
  if (bytes.length > LARGE_BYTES) await ownTurn(context, incoming);
  const { model, body, seen } =
    route.body === 'json'
      ? jsonCallBody(context.directory, principal, route, withoutMark(bytes), context.wantsPrefix())
      : ofUpload(context, principal, bytes, contentType, boundary);
  const only = previousPlace(context, principal, seen.previous ?? null);
  return makeCall({
    id,
    route,
    body,
    peek: seen,
    model: only === null ? model.id : begunBy(context, principal, model, only.model),
    principal,
    priority: priorityOf(principal, headers, seen),
    sessionId: sessionOf(context.sessionSources(), headers, seen),
    idempotencyKey: (headers['idempotency-key'] as string | undefined) ?? null,
    cacheControl: headers['cache-control'] ?? null,
    forward: forwarded(headers, context.trustTrace(), trace),
    cameBy: came,
    keepsModel: keepsModel(headers[FALLBACK_HEADER] as string | undefined),
    only,
    fallbacks: fallbacksOf(context.directory, { model, route, principal, only, wish: headers[FALLBACK_HEADER] as string | undefined }),
    arrivedAt,
    trace,
  });
}

/** Where the answer is that a request goes on from. @throws not_found where that is another's */
function previousPlace(
  context: IdentifyContext,
  principal: Principal,
  previous: string | null,
): (OnlyAt & { readonly model: string }) | null {
  if (previous === null) return null;
  const place = context.answerPlace(previous, nameOf(principal));
  if (place === 'anothers') throw unknownAnswer(previous, 'previous_response_id');
  return place;
}

/** A conversation that a fallback has begun goes on there. */
function begunBy({ directory }: IdentifyContext, principal: Principal, model: ModelEntry, before: string): string {
  const other = model.fallback?.includes(before) ? directory.resolve(before) : null;
  return other !== null && mayUse(principal, other) ? other.id : model.id;
}

function unknownAnswer(id: string, param: string): GatewayError {
  return new GatewayError('not_found', `No response with the id ${shownName(id)} is known here.`, { param });
}

/** Whoever may be of the higher class is, unless he asks for the lower. */
function priorityOf(principal: Principal, headers: IncomingHttpHeaders, { hasTime }: Peek): Priority {
  const isLower = headers['x-headgate-priority'] === 'batch' || hasTime === true || (principal.kind === 'key' && principal.isBatch);
  return isLower ? 'batch' : 'interactive';
}

function sessionOf(sources: readonly SessionSource[], headers: IncomingHttpHeaders, { promptCacheKey, user }: Peek): string | null {
  for (const source of sources) {
    const name = source === 'header' ? checked(headers['x-session-id'], SESSION_ID) : source === 'user' ? user : promptCacheKey;
    if (name != null) return name;
  }
  return null;
}

function ofUpload({ directory }: IdentifyContext, principal: Principal, bytes: Buffer, contentType: string, boundary: string): BodyRead {
  const { model: name, stream } = peekUpload(bytes, boundary);
  const model = modelMeant(directory, principal, name);
  // A form that names none cannot be made to: its worker would take its own first.
  if (name === null && directory.resolve(null) !== model) throw unknownModel(directory, principal, null);
  const seen: Peek = { model: name, stream, promptChars: 0, promptHead: '', maxTokens: null, choices: 1, promptLogprobs: null };
  // The worker does not know our aliases.
  const idOf = (written: string) => directory.resolve(written === '' ? null : written)?.id ?? null;
  const named = name === null || name === model.id ? bytes : renameModel(bytes, boundary, idOf);
  const body = { bytes: named, contentType };
  return { model, seen, body: isOneName(model) ? body : { ...body, named: (id) => renameModel(named, boundary, () => id) } };
}

/** Waits for a turn in which nothing else of this size is looked at. @throws truncated_body when the client has left meanwhile */
async function ownTurn({ turns }: IdentifyContext, incoming: IncomingMessage): Promise<void> {
  await turns.next();
  if (incoming.socket.destroyed)
    throw new GatewayError('truncated_body', 'The client left before its request was looked at.', { close: true });
}

/** @throws unsupported_media_type */
export function checkJsonType(contentType: string): void {
  // As nearly all write it.
  if (contentType === 'application/json') return;
  const charset = CHARSET.exec(contentType)?.[2];
  if (!JSON_TYPE.test(contentType) || (charset !== undefined && !/^utf-?8$/i.test(charset))) {
    throw new GatewayError('unsupported_media_type', 'The request body must be JSON in UTF-8, sent with Content-Type: application/json.');
  }
}

function checkUploadType(contentType: string): void {
  if (!/^multipart\/form-data\s*;/i.test(contentType) || !/^[\x20-\x7e]*$/.test(contentType)) {
    throw new GatewayError('unsupported_media_type', 'The request body must be multipart/form-data.');
  }
}

/** Not every worker's parser takes a byte order mark. */
function withoutMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

/** Of a trace that begins here each attempt gets a `traceparent` of its own, and the client's `tracestate` belongs to another. */
function forwarded(headers: IncomingHttpHeaders, trustTrace: boolean, trace: CallTrace | null): Record<string, string> {
  const forward: Record<string, string> = {};
  const accept = checked(headers.accept, ACCEPT);
  if (accept !== null) forward['accept'] = accept;
  if (trace === null) {
    const parent = readTraceParent(headers['traceparent']);
    if (parent === null) return forward;
    // A stranger's "sampled" must not decide how much is traced.
    const given = headers['traceparent'] as string;
    forward['traceparent'] = trustTrace ? given : `${given.slice(0, -2)}00`;
  } else if (trace.parentId === null) return forward;
  const state = checked(headers['tracestate'], TRACE_STATE);
  if (state !== null) forward['tracestate'] = state;
  return forward;
}

function checked(value: string | string[] | undefined, pattern: RegExp): string | null {
  return typeof value === 'string' && pattern.test(value) ? value : null;
}

const QUERY = /^[\w.~%=&[\]-]{1,256}$/;
const STREAM = /(?:^|&)stream=(?:true|1)(?:&|$)/i;
/** Makes a call of a request for what a worker has kept. Its body, if there is one, says nothing. @throws not_found where nobody is known to have the answer */
export function identifyStored(context: IdentifyContext, incoming: IncomingMessage, head: CallHead): Call {
  incoming.resume();
  const came = cameBy(incoming.headers.via, context.gatewayId);
  const [path = '', query = ''] = (incoming.url ?? '').split('?', 2);
  const id = storedId(path);
  const place = context.answerPlace(id, nameOf(head.principal));
  if (place === null || place === 'anothers') throw unknownAnswer(id, 'response_id');
  const model = context.directory.resolve(place.model);
  if (model !== null && !mayUse(head.principal, model)) throw unknownAnswer(id, 'response_id');
  const isStream = head.route.stored === 'GET' && STREAM.test(query);
  const asked = head.route.stored === 'GET' && QUERY.test(query) ? `${path}?${query}` : path;
  return makeCall({
    ...head,
    // What stands for it where bodies are told apart; it is not sent.
    body: { bytes: Buffer.from(`${head.route.stored} ${asked}`), contentType: 'application/json' },
    peek: { ...NOTHING, stream: isStream },
    model: place.model,
    only: { worker: place.worker, target: asked },
    cameBy: came,
  });
}

const NOTHING: Peek = { model: null, stream: false, promptChars: 0, promptHead: '', maxTokens: null, choices: 1, promptLogprobs: null };
