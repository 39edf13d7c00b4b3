import { withoutSecrets } from '../secrets/text.ts';

/**
 * The fields that a log line may have besides time, level, event and msg. The list is closed: a header, a body, a prompt or a key
 * has no field to go into, and what is not listed is dropped. Numbers carry their unit in the key.
 */
const LOG_FIELDS = [
  // request
  'request_id',
  'trace_id',
  'span_id',
  'traced',
  'method',
  'route',
  'path',
  'model',
  'fallback',
  'fallback_reason',
  'status',
  'outcome',
  'code',
  'reason',
  'limit',
  'phase',
  'stream',
  'priority',
  'key',
  'worker',
  'attempts',
  'resumes',
  'not_resumed',
  'queue_ms',
  'window_ms',
  'ttft_ms',
  'duration_ms',
  'input_tokens',
  'output_tokens',
  'cached_tokens',
  'prompt_chars',
  'cache',
  'replayed',
  'bytes_out',
  'owner',
  'batch',
  'file',
  'bytes',
  'purpose',
  'finish_reason',
  // batches
  'batch',
  // policies
  'batch_size',
  'waited_max_ms',
  'from',
  'to',
  'from_ms',
  'to_ms',
  'p95_ms',
  'slo_ms',
  'kv_usage_ratio',
  'sessions',
  'blocks',
  'matched_blocks',
  // workers
  'state',
  'previous_state',
  'stage',
  'url',
  'pid',
  'port',
  'host',
  'models',
  'restarts',
  'source',
  'workers',
  'joined',
  'left',
  'ending',
  'replaced',
  'class',
  'message',
  'advice',
  'degradation',
  'eta_seconds',
  'profile',
  'tuning',
  'engine',
  'engine_version',
  'gpu',
  'holder',
  'until',
  'over',
  // the supervisor
  'start',
  'life',
  'next',
  'setting',
  'steps',
  'waiting',
  'served_ms',
  'pids',
  'gpus',
  'control',
  // the process
  'version',
  'node',
  'signal',
  'changed',
  'needs_restart',
  'in_flight',
  'file',
  // failures of our own: the class and the place of an error, not its text, which may quote what a client sent
  'error_name',
  'cause_code',
  'stack',
] as const;

export type LogFieldName = (typeof LOG_FIELDS)[number];
type LogValue = string | number | boolean | null | undefined | readonly string[];
export type LogFields = { readonly [Name in LogFieldName]?: LogValue };

export const MAX_STRING_BYTES = 1024;
/** Of a list. */
export const MAX_ITEMS = 32;
/** Every name that a field may have. */
export const KNOWN: ReadonlySet<string> = new Set(LOG_FIELDS);

/** `text` cut to at most 1 kB of UTF-8, with an ellipsis where something is missing. */
export function capped(text: string): string {
  // Every UTF-16 unit takes between one and three bytes.
  if (text.length * 3 <= MAX_STRING_BYTES) return text;
  if (text.length <= MAX_STRING_BYTES && Buffer.byteLength(text) <= MAX_STRING_BYTES) return text;
  const ellipsis = '…';
  const bytes = Buffer.from(text.slice(0, MAX_STRING_BYTES)).subarray(0, MAX_STRING_BYTES - Buffer.byteLength(ellipsis));
  // A character that the cut has halved decodes to U+FFFD; it is left out.
  return bytes.toString().replace(/\uFFFD+$/, '') + ellipsis;
}

/** What goes into the line: listed fields that have a value, strings and lists cut to size, without what looks like a secret. */
export function admitFields(fields: LogFields): Record<string, unknown> {
  const line: Record<string, unknown> = {};
  for (const name of Object.keys(fields)) {
    const value: unknown = fields[name as LogFieldName];
    if (value === undefined || value === null || !KNOWN.has(name)) continue;
    if (typeof value === 'string') line[name] = capped(withoutSecrets(value));
    else if (typeof value === 'number' || typeof value === 'boolean') line[name] = value;
    else if (Array.isArray(value)) line[name] = value.slice(0, MAX_ITEMS).map((item) => capped(withoutSecrets(String(item))));
  }
  return line;
}
