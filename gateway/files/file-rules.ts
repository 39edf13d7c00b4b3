import { GatewayError } from '../core/errors.ts';
import { expiryInRange, invalid, missing } from '../openai/param-refusals.ts';

/** What may be uploaded. What batches write is batch_output. */
export const PURPOSES: readonly string[] = ['assistants', 'batch', 'fine-tune', 'vision', 'user_data', 'evals'];
export const OUTPUT_PURPOSE = 'batch_output';

const MOST_NAME_CHARS = 1_024;
const SHOWN_CHARS = 100;

/** @throws invalid_value */
export function checkPurpose(purpose: string): void {
  if (PURPOSES.includes(purpose)) return;
  const known = PURPOSES.map((each) => `'${each}'`).join(', ');
  throw invalid(`Invalid value: '${purpose.slice(0, SHOWN_CHARS)}'. Supported values are: ${known}.`, 'purpose');
}

/** Seconds after its creation at which a file goes; null: nobody said. @throws invalid_value and the like, as OpenAI's own codes */
export function expirySeconds(anchor: string | undefined, seconds: string | undefined, param = 'expires_after'): number | null {
  if (anchor === undefined && seconds === undefined) return null;
  if (anchor === undefined) throw missing(`${param}.anchor`);
  if (seconds === undefined) throw missing(`${param}.seconds`);
  if (anchor !== 'created_at') {
    throw invalid(`Invalid value: '${anchor.slice(0, SHOWN_CHARS)}'. Supported values are: 'created_at'.`, `${param}.anchor`);
  }
  if (!/^[+-]?\d{1,15}$/.test(seconds)) {
    throw new GatewayError('invalid_type', `Invalid type for '${param}.seconds': expected an integer.`, { param: `${param}.seconds` });
  }
  return expiryInRange(Number(seconds), `${param}.seconds`);
}

/**
 * What is kept of a client's name for a file: all of it, but for what no database takes. It is never a path of ours.
 * @throws invalid_value where it is too long
 */
export function keptName(name: string | undefined): string {
  if (name === undefined || name === '') return 'upload';
  if (name.length > MOST_NAME_CHARS) throw invalid(`The name of the file has more than ${MOST_NAME_CHARS} characters.`, 'file');
  return name.replaceAll('\0', '\ufffd').toWellFormed();
}

/**
 * Whether a file begins as the input of a batch does, whatever its name is: its first line that is not blank is a JSON object. Those behind are
 * looked at when a batch is made of it. @param head its first bytes @param hasMore there are others behind
 * @returns what OpenAI says of another; null: it does
 */
export function inputRefusal(head: Buffer, hasMore: boolean): GatewayError | null {
  const text = head.toString('utf8').replace(/^\ufeff/, '');
  const start = text.search(/\S/);
  if (start >= 0) {
    const end = text.indexOf('\n', start);
    if (end < 0 && hasMore ? text[start] === '{' : isObject(text.slice(start, end < 0 ? undefined : end))) return null;
  }
  return invalid('Invalid file format for Batch API. Must be .jsonl', null, null);
}

function isObject(line: string): boolean {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** @throws as OpenAI: an unknown file, or another's */
export function unknownFile(id: string): GatewayError {
  const shown = id.slice(0, SHOWN_CHARS).replaceAll(/[^\x20-\x7e]/g, '?');
  return new GatewayError('not_found', `No such File object: ${shown}`, { param: 'id', code: null });
}
