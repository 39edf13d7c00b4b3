import type { EngineKind } from '../config/schema/values/engine-kinds.ts';
import type { SchedulingPolicy } from '../core/worker.ts';

/** One line of `workers` in the settings, or one worker of those that a line finds. */
export interface WorkerListing {
  /** http(s)://host[:port][/path] */
  readonly url: string;
  readonly apiKey: string | null;
  /** null: ask the worker. */
  readonly models: readonly string[] | null;
  readonly maxNumSeqs: number;
  /** Default: fcfs. */
  readonly scheduling?: SchedulingPolicy;
  /** Default: main. */
  readonly group?: string;
  /** What found it: "kubernetes default/vllm". Absent: the settings name it. */
  readonly source?: string;
  /** What tells this life at its address from others (a pod's uid). Absent or null: nobody says. */
  readonly uid?: string | null;
  /** It is about to end: it gets nothing new, finishes what it has, and leaves. */
  readonly isEnding?: boolean;
  /** Default: auto, which asks it. */
  readonly engine?: EngineKind | 'auto';
}

/** Whether what is at the address now is another than before: a pod that was given the address of one that has gone. */
export function isAnother(before: WorkerListing, after: WorkerListing): boolean {
  return before.uid != null && after.uid != null && before.uid !== after.uid;
}

/** What is asked of a worker, and what it is asked for, follows from this: two processes mean the same by it, or not. No secret is in it. */
export function lineOf({ url, engine = 'auto', models, uid = null }: WorkerListing): string {
  return JSON.stringify([url, engine, models, uid]);
}

/** Where a listed worker is, and what it is called for that. */
export interface ListedAddress {
  readonly id: string;
  /** http(s)://host:port */
  readonly url: string;
  readonly port: number;
  /** As in the worker's view. */
  readonly apiPath?: string;
}

/** A worker is called by its host and port; one that is listed twice gets a number. */
export function addressOf({ url, engine }: Pick<WorkerListing, 'url' | 'engine'>, takenIds: ReadonlyMap<string, unknown>): ListedAddress {
  const { protocol, hostname, port, pathname } = new URL(url);
  const authority = `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
  let id = authority;
  for (let number = 2; takenIds.has(id); number += 1) id = `${authority}-${number}`;
  const apiPath = apiPathOf(pathname, engine);
  const address = { id, url: `${protocol}//${authority}`, port: Number(authority.slice(hostname.length + 1)) };
  return apiPath === null ? address : { ...address, apiPath };
}

/**
 * Where the paths that begin with /v1 lie. A path is the base URL that an OpenAI client would be given (`https://host/openai/v1`), or, for
 * an engine of one's own behind a proxy, the place of its root (`http://host/llama`). null: at the root, where everybody has them.
 */
function apiPathOf(pathname: string, engine: WorkerListing['engine']): string | null {
  const path = pathname.replace(/\/+$/, '');
  const api = path === '' || path.endsWith('/v1') || engine === 'openai' ? path : `${path}/v1`;
  return api === '' || api === '/v1' ? null : api;
}
