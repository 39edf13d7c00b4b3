import type { Attempt } from './attempt.ts';
import { Cancellation } from './cancellation.ts';
import type { RefusalReason } from './errors.ts';
import type { Lease } from './lease.ts';
import type { Principal } from './principal.ts';
import type { CallTrace, WaitKind } from './trace/call-trace.ts';

export type Priority = 'interactive' | 'batch';

/** The API dialect of a route: it decides how an error looks and how a stream ends. */
export type Dialect = 'openai' | 'responses' | 'anthropic';

/** A relayed endpoint. The closed list is `http/routes.ts`. */
export interface Route {
  /** The path, which is also the label in metrics and the path at the worker. */
  readonly path: string;
  readonly dialect: Dialect;
  readonly body: 'json' | 'multipart';
  /** What a complete stream of this route ends with: [DONE], an event of its own, or nothing but its end. */
  readonly streamEnd: 'done-event' | 'final-event' | 'end-of-body';
  /** It answers in one piece, also where a request asks for a stream. */
  readonly whole?: true;
  /** It asks, by this method and without a body, for what a worker has kept: nothing is made for it. */
  readonly stored?: 'GET' | 'POST';
}

/** What one worker has and no other. */
export interface OnlyAt {
  readonly worker: string;
  /** Path and query at the worker, where they are not the route's. */
  readonly target?: string;
}

/** A field of a body that asks for log-probabilities of the prompt. */
export type PromptLogprobsField = 'prompt_logprobs' | 'logprobs' | 'echo';

/** A prompt, as far as it matters to whoever has its beginning in a cache. */
export interface Prefix {
  /** Its full blocks in their order, each named by all of the prompt up to its end. Not empty. */
  readonly blocks: readonly number[];
  /** How many blocks all of it is, the last one as the part of a block that it is. */
  readonly size: number;
}

/** What we read of a request body; the rest is the worker's business. */
export interface Peek {
  /** As the client wrote it; null when absent. */
  readonly model: string | null;
  readonly stream: boolean;
  /** Characters of prompt, messages and input together: the base of every estimate of size. */
  readonly promptChars: number;
  /** The first characters of the text, by which requests that share a prefix are recognized. */
  readonly promptHead: string;
  readonly maxTokens: number | null;
  /** The answer from which this one is to go on; null where it begins anew. */
  readonly previous?: string | null;
  /** It says itself that it has time (`service_tier: flex`). */
  readonly hasTime?: boolean;
  /** What may name the conversation that it belongs to: `prompt_cache_key` and `user`; absent or null: nothing does. */
  readonly promptCacheKey?: string | null;
  readonly user?: string | null;
  /** The engine's own `priority` that it carries, less being sooner; null: none · NaN: nothing that an engine would take for a number. */
  readonly enginePriority?: number | null;
  /** So many tokens are to be in an event of its stream; absent: one. */
  readonly streamInterval?: number;
  /** Where whoever asks the same again may be given the same answer: characters of all that decides it. null or absent: nowhere else. */
  readonly decidingChars?: number | null;
  /** Absent or null: nobody asks, or it is too short to have been in a cache. */
  readonly prefix?: Prefix | null;
  /** Completions asked for (n times the number of prompts). */
  readonly choices: number;
  /** What asks for log-probabilities of the prompt, for which not every worker has the memory; null when nothing does. */
  readonly promptLogprobs: PromptLogprobsField | null;
}

/** As it goes to the worker. */
export interface CallBody {
  readonly bytes: Buffer;
  readonly contentType: string;
  /** It asks the worker to tell what it counted, which the client left open: that event is not the client's. */
  readonly usageAsked?: boolean;
  /** The same with another model's id in it: for workers that do not know the model by the call's. Absent: all that may get it do. */
  readonly named?: (model: string) => Buffer;
}

/** Which part of the gateway a call is in: where it was when the client left or the time ran out. */
export type Phase = 'admission' | 'queue' | 'window' | 'upstream' | 'stream' | 'done';

/** Where an answer came from, as its head says: kept from before · made for it · made for another that asked the same · not to be kept. */
export type CacheResult = 'hit' | 'miss' | 'joined' | 'bypass';

/** A call that its own model's workers could not take, and another's did. */
export interface Fallback {
  /** That other model. */
  readonly to: string;
  /** What the call would have been refused with. */
  readonly reason: RefusalReason;
}

/** What became of a stream whose worker was lost on the way. */
export interface Resumes {
  /** How many other workers it went on at. */
  times: number;
  /** Why it went on no further, by its name in policies/resume/refusals.ts; null: it did. */
  refused: string | null;
  /** Monotonic ms at which the first worker's first byte came. */
  readonly firstByteAt: number | null;
  /** Monotonic ms, one for each time: when it was known that a worker was lost, and when the next one's first byte came. */
  readonly gaps: { readonly from: number; readonly to: number; readonly worker: string; readonly tokens: number }[];
}

/** What happened to a call in the gateway itself: written by the policies that it passes, read by account and the answer's headers. */
export interface Journey {
  phase: Phase;
  queueMs: number;
  windowMs: number;
  /** Bytes of answer body sent to the client. */
  bytesOut: number;
  /** null: nothing is kept, and nobody asked the same at the same time. */
  cache: CacheResult | null;
  /** It was asked before, under the same name: this is the answer of then. */
  isReplay: boolean;
  /** Of a stream whose worker was lost on the way, where such go on at others; null: of any other. */
  resume: Resumes | null;
  /** Headers that say how the asker stands with its limits, names and values in turn. */
  limitHeaders: readonly string[];
  /** null: the model that was asked for answers. */
  fallback: Fallback | null;
}

/** One request on its way through the policies. */
export interface Call {
  readonly id: string;
  readonly route: Route;
  readonly body: CallBody;
  readonly peek: Peek;
  /** The model's id in the registry, after aliases; what workers and metrics are asked for. */
  readonly model: string;
  readonly principal: Principal;
  readonly priority: Priority;
  /** A line of a batch: nobody waits for its answer, and what is put off is tried again by whoever runs it. */
  readonly isLine: boolean;
  /** The conversation that it belongs to, by a name of the client's own: it must not be shown. */
  readonly sessionId: string | null;
  /** The client's own name for what it asks, so that it is done once however often it is sent. */
  readonly idempotencyKey: string | null;
  /** What the client says of answers that were given before: `cache-control`. */
  readonly cacheControl: string | null;
  /** Headers that go on to the worker, already checked: accept, traceparent, tracestate. */
  readonly forward: Readonly<Record<string, string>>;
  /** The ids of the gateways that it has come by. */
  readonly cameBy: readonly string[];
  /** Its client wants an answer of its own model, or none. */
  readonly keepsModel: boolean;
  /** The one worker that can answer it; null: any. */
  readonly only: OnlyAt | null;
  /** Models that may answer it where its own cannot, the first best; all of them are open to its principal. */
  readonly fallbacks: readonly string[];
  /** Monotonic ms at which the request's head was complete. */
  readonly arrivedAt: number;
  readonly cancellation: Cancellation;
  readonly journey: Journey;
  /** What was asked of workers, oldest first. Written by dispatch only. */
  readonly attempts: Attempt[];
  /** The call whose answer it waits for or reads, which another brought about; null: none. Written by reuse only. */
  rides: Call | null;
  /** null: nobody traces. */
  readonly trace: CallTrace | null;
  /** The call's place at the workers, while it has one. Written by admission only. */
  place: Lease | null;
}

/** What is known of a call when it begins. */
export interface CallParts extends Pick<Call, 'id' | 'route' | 'body' | 'peek' | 'model' | 'principal' | 'arrivedAt'> {
  /** Default: interactive. */
  readonly priority?: Priority;
  /** Default: false. */
  readonly isLine?: boolean;
  /** Default: none. */
  readonly sessionId?: string | null;
  /** Default: none. */
  readonly idempotencyKey?: string | null;
  /** Default: none. */
  readonly cacheControl?: string | null;
  /** Default: none. */
  readonly forward?: Readonly<Record<string, string>>;
  /** Default: none. */
  readonly cameBy?: readonly string[];
  /** Default: false. */
  readonly keepsModel?: boolean;
  /** Default: any worker. */
  readonly only?: OnlyAt | null;
  /** Default: none. */
  readonly fallbacks?: readonly string[];
  /** Default: none. */
  readonly trace?: CallTrace | null;
}

/** A call at its beginning, wherever it comes from: a request, or a line of a batch. */
export function makeCall(parts: CallParts): Call {
  return {
    id: parts.id,
    route: parts.route,
    body: parts.body,
    peek: parts.peek,
    model: parts.model,
    principal: parts.principal,
    priority: parts.priority ?? 'interactive',
    isLine: parts.isLine ?? false,
    sessionId: parts.sessionId ?? null,
    idempotencyKey: parts.idempotencyKey ?? null,
    cacheControl: parts.cacheControl ?? null,
    forward: parts.forward ?? NO_HEADERS,
    cameBy: parts.cameBy ?? NO_GATEWAYS,
    keepsModel: parts.keepsModel ?? false,
    only: parts.only ?? null,
    fallbacks: parts.fallbacks ?? NO_FALLBACKS,
    arrivedAt: parts.arrivedAt,
    cancellation: new Cancellation(),
    journey: newJourney(),
    attempts: [],
    rides: null,
    trace: parts.trace ?? null,
    place: null,
  };
}

const NO_HEADERS: Readonly<Record<string, string>> = {};
const NO_GATEWAYS: readonly string[] = [];

const NO_LIMITS: readonly string[] = [];

/** What most calls have. */
export const NO_FALLBACKS: readonly string[] = [];

export function newJourney(): Journey {
  return {
    phase: 'admission',
    queueMs: 0,
    windowMs: 0,
    bytesOut: 0,
    cache: null,
    isReplay: false,
    resume: null,
    limitHeaders: NO_LIMITS,
    fallback: null,
  };
}

/** The model that answers the call, or is about to. */
export function answeringModel({ journey, model }: Pick<Call, 'journey' | 'model'>): string {
  return journey.fallback?.to ?? model;
}

/** The call has waited, from one moment to another (monotonic ms). */
export function noteWait({ journey, trace }: Call, kind: WaitKind, from: number, to: number): void {
  if (kind === 'window') journey.windowMs += to - from;
  else journey.queueMs += to - from;
  trace?.waits.push({ kind, from, to });
}
