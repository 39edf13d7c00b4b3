import type { SchedulingPolicy } from '../core/worker.ts';

/** One line of `workers` in the settings, or one worker of those that a line finds. */
export interface WorkerListing {
  /** http(s)://host[:port] */
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
}

/** Whether what is at the address now is another than before: a pod that was given the address of one that has gone. */
export function isAnother(before: WorkerListing, after: WorkerListing): boolean {
  return before.uid != null && after.uid != null && before.uid !== after.uid;
}

/** Where a listed worker is, and what it is called for that. */
export interface ListedAddress {
  readonly id: string;
  /** http(s)://host:port */
  readonly url: string;
  readonly port: number;
}

/** A worker is called by its host and port; one that is listed twice gets a number. A path in the url means nothing: vLLM serves at the root. */
export function addressOf(url: string, takenIds: ReadonlyMap<string, unknown>): ListedAddress {
  const { protocol, hostname, port } = new URL(url);
  const authority = `${hostname}:${port || (protocol === 'https:' ? '443' : '80')}`;
  let id = authority;
  for (let number = 2; takenIds.has(id); number += 1) id = `${authority}-${number}`;
  return { id, url: `${protocol}//${authority}`, port: Number(authority.slice(hostname.length + 1)) };
}
