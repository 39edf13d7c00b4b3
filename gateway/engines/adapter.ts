import type { EngineKind } from '../config/schema/values/engine-kinds.ts';
import type { GatewayError } from '../core/errors.ts';
import type { EngineFigures } from '../vllm/metrics.ts';
import type { Sight } from '../vllm/sight.ts';

/** What the gateway must know of an engine that it speaks to. Paths are as OpenAI has them, from the root of the server. */
export interface EngineAdapter {
  readonly kind: EngineKind;
  /** As its makers write it. */
  readonly name: string;
  readonly health: HealthPage;
  /** Milliseconds between two looks at one that is well. */
  readonly lookMs: number;
  /** Where its load is told, best first. Empty: nowhere. */
  readonly loads: readonly LoadPage[];
  /** Where its version is told; null: nowhere. */
  readonly version: VersionPage | null;
  /** The relayed paths that it has, each with its own name for it; null: all that vLLM has, by the same names. */
  readonly routes: ReadonlyMap<string, string> | null;
  /** Fields that steer a vLLM and change no answer: taken out, because this engine would refuse them or mean something else. */
  readonly drops: readonly string[];
  /** Fields that change the answer and that this engine would pass over in silence: such a call is not sent there. */
  readonly lacks: readonly string[];
  /** Whether a stream is asked for its usage where its client is not: false where it tells all the same. */
  readonly asksUsage: boolean;
  readonly errors: ErrorReader;
  /** What an operator does for its load to be known; absent where that is all one. */
  readonly advice?: string;
}

export interface HealthPage {
  readonly path: string;
  /** How long it may take to answer where all is well. */
  readonly timeoutMs: number;
  /** What any status but 200 shows; null: that it is well. `wasReady`: it was well at the last look. */
  readonly sightOf: (status: number, body: string, wasReady: boolean) => Sight | null;
}

export interface LoadPage {
  readonly path: string;
  readonly timeoutMs: number;
  /** What the page tells; null: nothing. `last`: what this page told before. */
  readonly read: (page: string, last: EngineFigures | null) => EngineFigures | null;
  /** No answer in time is a sign that the server is not well. Absent: the page waits for the engine, which may be busy. */
  readonly isWitness?: true;
  /** To ask keeps the server from its rest: only while calls of ours are there. */
  readonly whileBusy?: true;
}

export interface VersionPage {
  readonly path: string;
  readonly read: (page: string) => string | null;
}

/** What its errors mean: the client's fault, its being busy, or its own failure. */
export interface ErrorReader {
  /** `path`: the route; `retryAfterMs`: how long it asks to be left alone, where it does. */
  readonly from: (status: number, body: string, path: string, retryAfterMs?: number) => GatewayError;
  /** Whether it says that its engine has died. */
  readonly tellsDeath: (text: string) => boolean;
  /** Whether it says that it is being shut down. */
  readonly tellsShutdown: (text: string) => boolean;
}
