/** What a key, or an address, may have so much of. */
export type LimitName = 'requests' | 'tokens' | 'concurrent';

/** The calendar that a budget of tokens goes by. */
export type BudgetLimit = 'day' | 'month';

/** Who is at fault. */
type ErrorOrigin = 'client' | 'gateway' | 'upstream';

/** The value of `x-headgate-reason` and of the `reason` labels. */
export type RefusalReason =
  | 'client_error'
  | 'queue_full'
  | 'queue_timeout'
  | 'kv_pressure'
  | 'breaker_open'
  | 'worker_starting'
  | 'no_worker'
  | 'draining'
  | 'upstream'
  | 'upstream_timeout'
  | 'deadline'
  | 'suspect'
  | 'rate_limit'
  | 'store_unavailable'
  | 'quota'
  | 'storage_full'
  | 'internal';

export interface ErrorRow {
  readonly status: number;
  readonly type: string;
  readonly code: string;
  readonly reason: RefusalReason;
  readonly origin: ErrorOrigin;
  /** true: say when to come back (Retry-After) · false: say not to (x-should-retry: false) · null: leave it to the client. */
  readonly retry: boolean | null;
}

function client(status: number, code: string, type = 'invalid_request_error'): ErrorRow {
  return { status, type, code, reason: 'client_error', origin: 'client', retry: false };
}

function busy(reason: RefusalReason, code = 'server_is_overloaded', origin: ErrorOrigin = 'gateway'): ErrorRow {
  return { status: 503, type: 'service_unavailable_error', code, reason, origin, retry: true };
}

function upstream(status: number, code: string, reason: RefusalReason, retry: boolean | null): ErrorRow {
  return { status, type: 'server_error', code, reason, origin: 'upstream', retry };
}

/** Every way in which a call can be refused or fail, and what the client is told. The only such table. */
export const ERRORS = {
  invalid_json: client(400, 'invalid_json'),
  invalid_type: client(400, 'invalid_type'),
  invalid_utf8: client(400, 'invalid_utf8'),
  json_too_deep: client(400, 'json_too_deep'),
  too_many_keys: client(400, 'too_many_keys'),
  invalid_value: client(400, 'invalid_value'),
  invalid_target: client(400, 'invalid_target'),
  invalid_host: client(400, 'invalid_host'),
  bad_request_framing: client(400, 'bad_request_framing'),
  conflicting_credentials: client(400, 'conflicting_credentials'),
  truncated_body: client(400, 'truncated_body'),
  unsupported_media_type: client(415, 'unsupported_media_type'),
  unsupported_encoding: client(415, 'unsupported_encoding'),
  expectation_failed: client(417, 'expectation_failed'),
  request_too_large: client(413, 'request_too_large'),
  headers_too_large: client(431, 'headers_too_large'),
  range_not_satisfiable: client(416, 'range_not_satisfiable'),
  request_timeout: client(408, 'request_timeout'),
  invalid_api_key: client(401, 'invalid_api_key', 'authentication_error'),
  too_many_wrong_keys: { ...client(429, 'too_many_wrong_keys', 'rate_limit_error'), retry: true },
  bundle_too_soon: { ...client(429, 'bundle_too_soon', 'rate_limit_error'), retry: true },
  rate_limited: { ...client(429, 'rate_limit_exceeded', 'rate_limit_error'), reason: 'rate_limit', retry: true },
  quota_exceeded: { ...client(429, 'insufficient_quota', 'rate_limit_error'), reason: 'quota', retry: true },
  admin_only: client(403, 'admin_only', 'permission_error'),
  host_not_allowed: client(403, 'host_not_allowed', 'permission_error'),
  origin_not_allowed: client(403, 'origin_not_allowed', 'permission_error'),
  model_not_found: client(404, 'model_not_found'),
  not_found: client(404, 'not_found'),
  moved: client(307, 'moved'),
  conflict: client(409, 'conflict'),
  invalid_idempotency_key: client(400, 'invalid_idempotency_key'),
  idempotency_key_reused: client(422, 'idempotency_key_reused'),
  idempotency_in_progress: { ...client(409, 'idempotency_in_progress'), retry: true },
  unknown_url: client(404, 'unknown_url'),
  method_not_allowed: client(405, 'method_not_allowed'),
  queue_full: busy('queue_full'),
  queue_timeout: busy('queue_timeout'),
  kv_pressure: busy('kv_pressure'),
  breaker_open: busy('breaker_open'),
  worker_busy: busy('upstream', 'server_is_overloaded', 'upstream'),
  model_loading: busy('worker_starting', 'model_loading'),
  no_worker: busy('no_worker', 'no_worker'),
  draining: busy('draining', 'server_shutting_down'),
  /** It came from here: whoever sent it back may have another worker for it. */
  loop_detected: { status: 508, type: 'server_error', code: 'loop_detected', reason: 'no_worker', origin: 'gateway', retry: false },
  store_unavailable: busy('store_unavailable', 'store_unavailable'),
  /** A disk, or what may be kept of files, is full: to send a file again is in vain until somebody makes room. */
  storage_full: { status: 507, type: 'server_error', code: 'storage_full', reason: 'storage_full', origin: 'gateway', retry: false },
  upstream_error: upstream(502, 'upstream_error', 'upstream', null),
  upstream_disconnected: upstream(502, 'upstream_disconnected', 'upstream', null),
  upstream_timeout: upstream(504, 'timeout', 'upstream_timeout', false),
  /** The client wants no answer that has yet to be made (RFC 9111, §5.2.1.7). */
  not_cached: { ...upstream(504, 'not_cached', 'client_error', false), origin: 'gateway' },
  deadline: { ...upstream(504, 'timeout', 'deadline', false), origin: 'gateway' },
  suspect: { ...client(422, 'request_crashed_worker'), reason: 'suspect' },
  /** The client went away: nobody reads this answer, the status is for the books only. */
  client_disconnected: client(499, 'client_disconnected'),
  internal: { status: 500, type: 'server_error', code: 'internal_error', reason: 'internal', origin: 'gateway', retry: null },
} as const satisfies Record<string, ErrorRow>;

export type ErrorKind = keyof typeof ERRORS;

export interface ErrorDetails {
  readonly param?: string | null;
  /** Milliseconds after which a retry makes sense; the answer's Retry-After is made of it. */
  readonly retryAfterMs?: number;
  /** The message names that time: nobody is to come back before, and the answer says in words too when to ask again. */
  readonly namesTime?: boolean;
  /** The cause will stand for minutes, unless an operator acts: a client that tries again by itself in a few seconds tries in vain. */
  readonly hopeless?: boolean;
  /** It is this request that has to wait: others of its model need not. */
  readonly onlyThis?: boolean;
  readonly cause?: unknown;
  /** Which limit of a key or an address it was. */
  readonly limit?: LimitName | BudgetLimit;
  /** Replaces the table's code: a worker's own code for a 4xx that is passed on. */
  readonly code?: string | null;
  /** Replaces the table's status: `reject_status`, or a worker's own 4xx. */
  readonly status?: number;
  readonly type?: string;
  /** Where to ask instead, for 307: a path and its query. */
  readonly location?: string;
  /** How many bytes there are, for 416. */
  readonly size?: number;
  /** The methods a path knows, for 405. */
  readonly allow?: string;
  /** Close the client's connection after the answer. */
  readonly close?: boolean;
}

/** An expected refusal or failure, thrown anywhere, answered at one place (the rescue policy). */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly kind: ErrorKind;
  readonly details: ErrorDetails;

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    // A refusal is not a bug: no stack is taken, which makes shedding load cheap.
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    Error.stackTraceLimit = limit;
    this.kind = kind;
    this.details = details;
  }

  get row(): ErrorRow {
    return ERRORS[this.kind];
  }

  get status(): number {
    return this.details.status ?? this.row.status;
  }

  get reason(): RefusalReason {
    return this.row.reason;
  }
}
