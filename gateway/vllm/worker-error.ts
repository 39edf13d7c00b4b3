import { GatewayError, type ErrorDetails } from '../core/errors.ts';

const MAX_MESSAGE_CHARS = 2_000;
const TRACE = 'Traceback (most recent call last)';
const SOURCE_FILE = /(?:\/[\w.@+-]+)+\.(?:py|so|cu|cpp|h)\b/g;

/**
 * What becomes of a worker's error answer. Its 4xx speak to the client and are passed on, reshaped: vLLM's `code` is a number, its types
 * are Python class names, its 401 holds a string where an object belongs. Everything else is the worker's failure, and its text (which may
 * hold a stack trace) stays here. `retryAfterMs`: how long it asks to be left alone, where it does.
 */
export function fromWorkerError(status: number, body: string, path: string, retryAfterMs?: number): GatewayError {
  if (status === 429 || status === 503) {
    const details: ErrorDetails = { cause: said(body), ...(retryAfterMs !== undefined && { retryAfterMs }) };
    return new GatewayError('worker_busy', 'The worker is too busy to take the request.', details);
  }
  // Not ours: the endpoint has to be switched on at the worker.
  const disabled = status === 403 ? read(body) : null;
  if (disabled?.type === 'PermissionDeniedError') {
    return new GatewayError('invalid_value', fit(disabled.message), { status: 403, type: 'permission_error', code: 'not_enabled' });
  }
  if (status === 401 || status === 403) return new GatewayError('upstream_error', 'The worker refused the gateway’s own credentials.');
  if (status !== 501 && (status < 400 || status >= 500)) {
    return new GatewayError('upstream_error', 'The worker failed to answer the request.', { cause: said(body) });
  }

  const fields = read(body);
  if (status === 501) {
    const message = fields === null ? 'The model does not support this request.' : fit(fields.message);
    return new GatewayError('invalid_value', message, { status: 501, code: 'not_implemented' });
  }
  // Its router knows no such path, or not by POST.
  if ((status === 404 || status === 405) && fields === null) {
    return new GatewayError('unknown_url', `The model does not support ${path}.`);
  }
  const message = fields === null ? 'The worker rejected the request.' : fit(fields.message);
  const details: ErrorDetails = { status, param: param(fields?.param ?? null), code: code(status, fields) };
  return new GatewayError('invalid_value', message, details);
}

/** Whether a worker says that its engine has died: what vLLM answers to every request that was in it, and until its process is gone. */
export function tellsEngineDeath(text: string): boolean {
  return text.includes('EngineCore encountered an issue') || text.includes('EngineDeadError');
}

/**
 * Whether a worker says that it is being shut down: what a vLLM that finishes its calls first (`--shutdown-timeout`) answers to each new one,
 * while its health is good. The words are those of Python's executors.
 */
export function tellsShutdown(text: string): boolean {
  return text.includes('cannot schedule new futures after');
}

interface Fields {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
}

/** `{"error": {...}}` in OpenAI's or Anthropic's shape, or null for anything else. */
function read(body: string): Fields | null {
  try {
    const error: unknown = JSON.parse(body)?.error;
    if (typeof error !== 'object' || error === null) return null;
    const { message, type, param: at } = error as Record<string, unknown>;
    if (typeof message !== 'string') return null;
    return { message, type: typeof type === 'string' ? type : '', param: typeof at === 'string' ? at : null };
  } catch {
    return null;
  }
}

/** A worker's words as a client may read them: without a stack trace or the place of its source files. */
function fit(message: string): string {
  const trace = message.indexOf(TRACE);
  const words = (trace < 0 ? message : message.slice(0, trace)).slice(0, MAX_MESSAGE_CHARS).replaceAll(SOURCE_FILE, '…').trim();
  return words === '' ? 'The worker rejected the request.' : words;
}

/** vLLM names a field by where its parser found it: `body.messages`. */
function param(name: string | null): string | null {
  return name === null ? null : name.replace(/^body\./, '');
}

function code(status: number, fields: Fields | null): string {
  if (status === 404) return isAboutModel(fields) ? 'model_not_found' : 'not_found';
  if (fields?.param != null && CONTEXT.has(fields.param)) return 'context_length_exceeded';
  if (fields && /maximum context length|max_model_len/.test(fields.message)) return 'context_length_exceeded';
  if (fields && /'type': 'missing'/.test(fields.message)) return 'missing_required_parameter';
  if (fields && /'type': 'json_invalid'/.test(fields.message)) return 'invalid_json';
  return 'invalid_value';
}

/** What vLLM names where the whole of a request is too long for the model's context. */
const CONTEXT: ReadonlySet<string> = new Set(['input_tokens', 'input_text', 'max_model_len']);

/** vLLM says 404 of a response that it does not know, too. */
function isAboutModel(fields: Fields | null): boolean {
  if (fields === null) return true;
  return fields.param === null ? /\bmodel\b/i.test(fields.message) : fields.param === 'model';
}

/** The worker's words, for the operator's log only. */
function said(body: string): Error {
  return new Error(body.slice(0, 500));
}
