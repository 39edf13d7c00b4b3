/** Faults that strike one request. */
const REQUEST_FAULTS = ['error-500', 'error-midstream', 'reset', 'abort', 'html'] as const;
type RequestFaultKind = (typeof REQUEST_FAULTS)[number];

/** Faults of the whole server while it serves. */
const SERVER_FAULTS = [
  'engine-death',
  'hang',
  'slow',
  'stale-gauges',
  'refuse',
  'ignore-sigterm',
  'oom-runtime',
  'host-oom',
  'crash-loop',
] as const;
export type ServerFaultKind = (typeof SERVER_FAULTS)[number];

/** Faults that only a start can have. */
const START_FAULTS = ['oom-weights', 'oom-kv', 'oom-graph', 'busy-vram', 'config-error'] as const;
type StartFaultKind = (typeof START_FAULTS)[number];

export const FAULTS = [...REQUEST_FAULTS, ...SERVER_FAULTS, ...START_FAULTS] as const;
export type FaultKind = RequestFaultKind | ServerFaultKind | StartFaultKind;

export interface RequestFault {
  readonly kind: RequestFaultKind;
  /** Tokens that the request gets before the fault strikes. */
  readonly afterTokens: number;
}

interface Armed extends RequestFault {
  left: number;
}

/** Where a fault strikes unless told otherwise: after two tokens, when the answer has begun. */
const DEFAULT_AFTER_TOKENS = 2;

function isOneOf<T extends string>(kinds: readonly T[], kind: string): kind is T {
  return (kinds as readonly string[]).includes(kind);
}

export function isRequestFault(kind: string): kind is RequestFaultKind {
  return isOneOf(REQUEST_FAULTS, kind);
}

export function isServerFault(kind: string): kind is ServerFaultKind {
  return isOneOf(SERVER_FAULTS, kind);
}

export function isStartFault(kind: string): kind is StartFaultKind {
  return isOneOf(START_FAULTS, kind);
}

export function isFault(kind: string): kind is FaultKind {
  return isRequestFault(kind) || isServerFault(kind) || isStartFault(kind);
}

/** The request faults that wait for their requests, in the order in which they were asked for. */
export class RequestFaults {
  #armed: Armed[] = [];

  /** The next `count` requests get this fault. */
  arm(kind: RequestFaultKind, count: number, afterTokens: number | null): void {
    this.#armed.push({ kind, left: count, afterTokens: afterTokens ?? DEFAULT_AFTER_TOKENS });
  }

  clear(): void {
    this.#armed = [];
  }

  /** The fault that the request now beginning is to have. */
  take(): RequestFault | null {
    const armed = this.#armed[0];
    if (armed === undefined) return null;
    if (--armed.left <= 0) this.#armed.shift();
    return armed;
  }
}
