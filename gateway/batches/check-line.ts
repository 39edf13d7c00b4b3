import { isUtf8 } from 'node:buffer';
import { GatewayError } from '../core/errors.ts';
import { isObject } from '../core/json/json.ts';
import { checkShape, MAX_TOKEN_ITEMS } from '../openai/json-body.ts';
import { shownName } from '../openai/model-names.ts';
import { tooLong, wrongType } from '../openai/param-refusals.ts';
import type { BatchError } from '../state/store/batch-terms.ts';
import { endpointOf } from './endpoints.ts';
import { prefixOf } from './prefix.ts';

const MOST_ID_BYTES = 512;

/** What one line is held against. */
export interface LineRules {
  readonly endpoint: string;
  /** The ids of models by every name that whoever made the batch may call them by. */
  readonly models: ReadonlyMap<string, string>;
}

/** What is wrong with a line, without its number. */
export type LineFault = Omit<BatchError, 'line'>;

export type LineFound =
  | { readonly kind: 'wrong'; readonly faults: readonly LineFault[]; readonly isUnknownModel: boolean }
  /** `prefix`: the text that its prompt begins with. */
  | { readonly kind: 'good'; readonly customId: string; readonly model: string; readonly prefix: string };

type Json = { readonly [name: string]: unknown };

/**
 * Looks at one line of an input file, as far as OpenAI does before it runs any: what its messages hold is up to the worker. Every fault that it
 * has is told, in one order.
 */
export function checkLine(bytes: Buffer, { endpoint, models }: LineRules): LineFound {
  const read = parsed(bytes);
  if (!read.ok) return { kind: 'wrong', faults: [read.fault], isUnknownModel: false };
  const faults: LineFault[] = [];
  const { custom_id: customId, method, url, body } = read.line;
  const { aliases, name, needs } = endpointOf(endpoint);

  if (isString(customId, 'custom_id', faults) && Buffer.byteLength(customId) > MOST_ID_BYTES) {
    faults.push(fault('string_above_max_length', 'custom_id', tooLong('custom_id', MOST_ID_BYTES, Buffer.byteLength(customId))));
  }
  if (isString(method, 'method', faults) && method !== 'POST') {
    faults.push(fault('invalid_method', 'method', "The method of a request must be 'POST'."));
  }
  if (isString(url, 'url', faults) && url !== endpoint && !aliases.includes(url)) {
    faults.push(fault('invalid_url', 'url', 'The URL provided for this request does not match the batch endpoint.'));
  }
  if (body === undefined) faults.push(missing('body'));
  else if (!isObject(body)) faults.push(fault('invalid_type', 'body', wrongType('body', 'an object', body)));
  if (!isObject(body)) return { kind: 'wrong', faults, isUnknownModel: false };

  if (body['stream'] === true) {
    faults.push(fault('streaming_unsupported', 'body.stream', `${name}: Streaming is not supported in the Batch API.`));
  }
  const written = body['model'];
  let model: string | undefined;
  if (written == null || written === '') faults.push(fault('invalid_request', 'body.model', 'Model parameter is required.'));
  else if (typeof written !== 'string') faults.push(fault('invalid_type', 'body.model', wrongType('body.model', 'a string', written)));
  else {
    model = models.get(written);
    if (model === undefined) {
      const message = `The provided model '${shownName(written)}' is not supported by the Batch API.`;
      faults.push(fault('model_not_found', 'body.model', message));
    }
  }
  const [asked] = needs;
  if (asked !== undefined && needs.every((field) => body[field] == null)) {
    const message = `${asked[0]!.toUpperCase()}${asked.slice(1)} parameter is required.`;
    faults.push(fault('invalid_request', `body.${asked}`, message));
  }
  if (faults.length > 0 || model === undefined || typeof customId !== 'string') {
    return { kind: 'wrong', faults, isUnknownModel: typeof written === 'string' && written !== '' && model === undefined };
  }
  return { kind: 'good', customId, model, prefix: prefixOf(body, endpoint) };
}

type Parsed = { readonly ok: true; readonly line: Json } | { readonly ok: false; readonly fault: LineFault };

function parsed(bytes: Buffer): Parsed {
  if (!isUtf8(bytes)) return NOT_JSON;
  try {
    checkShape(bytes, MAX_TOKEN_ITEMS);
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    return isObject(value)
      ? { ok: true, line: value }
      : { ok: false, fault: fault('invalid_request', null, 'Each line must be a JSON object.') };
  } catch (error) {
    return error instanceof GatewayError ? { ok: false, fault: fault(error.row.code, 'body', error.message) } : NOT_JSON;
  }
}

const NOT_JSON: Parsed = { ok: false, fault: fault('invalid_json_line', null, 'This line is not parseable as valid JSON.') };

function isString(value: unknown, param: string, faults: LineFault[]): value is string {
  if (typeof value === 'string') return true;
  faults.push(value === undefined ? missing(param) : fault('invalid_type', param, wrongType(param, 'a string', value)));
  return false;
}

function missing(param: string): LineFault {
  return fault('missing_required_parameter', param, `Missing required parameter: '${param}'.`);
}

export function fault(code: string, param: string | null, message: string): LineFault {
  return { code, message, param };
}
