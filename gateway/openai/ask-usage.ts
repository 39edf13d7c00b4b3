import { isObject, parsed } from '../core/json/json.ts';
import type { JsonObject } from './json-body.ts';
import { withFieldAtEnd } from './field-at-end.ts';

/** Routes whose streams tell what was counted only when they are asked to. */
const ASKED: ReadonlySet<string> = new Set(['/v1/chat/completions', '/v1/completions']);
const QUESTION = '"stream_options":{"include_usage":true}';

/** Options that say nothing but how the usage is to be told. */
const ABOUT_USAGE: ReadonlySet<string> = new Set(['include_usage', 'continuous_usage_stats']);

/** Whether a request for a stream would not be told the usage. What may be wrong with its options is left for the worker to say. */
export function leavesUsageOpen(value: JsonObject, path: string): boolean {
  return value['stream'] === true && ASKED.has(path) && isWithoutUsage(value['stream_options']);
}

function isWithoutUsage(options: unknown): boolean {
  if (options == null) return true;
  if (!isObject(options) || options['include_usage'] === true) return false;
  return Object.entries(options).every(([name, said]) => ABOUT_USAGE.has(name) && (said === null || typeof said === 'boolean'));
}

/** The body, which is a JSON object, with the question for the usage at its end. */
export function askingForUsage(body: Buffer): Buffer {
  return withFieldAtEnd(body, QUESTION);
}

/** Of an event of a stream that tells the usage and nothing else: what it is signed with. null: it is another event. */
export function usageEvent(event: Buffer): { readonly fingerprint: string | null } | null {
  const isCompact = event.includes('"usage":{') && event.includes('"choices":[]');
  if (!isCompact && !(event.includes('"usage": {') && event.includes('"choices": []'))) return null;
  const value = parsed(event.toString('utf8').replace(/^data: ?/, ''));
  if (!isObject(value) || !Array.isArray(value['choices']) || value['choices'].length > 0 || !isObject(value['usage'])) return null;
  const fingerprint = value['system_fingerprint'];
  return { fingerprint: typeof fingerprint === 'string' ? fingerprint : null };
}
