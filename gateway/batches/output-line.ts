import { isUtf8 } from 'node:buffer';
import { looksLikeJson } from '../openai/answer-check.ts';

/** What somebody who asked by himself would have been sent. */
export interface Answered {
  readonly status: number;
  readonly bytes: Buffer;
}

const MOST_PARSED_BYTES = 262_144;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const NO_ERROR = Buffer.from('},"error":null}\n');

/** The line of an output or error file for what was answered. @param customId as the input file has it, in JSON */
export function answerLine(requestId: string, customId: string, { status, bytes }: Answered): Buffer {
  const head = `{"id":"batch_req_${requestId}","custom_id":${customId},"response":{"status_code":${status},"request_id":"${requestId}","body":`;
  return Buffer.concat([Buffer.from(head), inOneLine(bytes), NO_ERROR]);
}

/** The line of an error file for a request that has no answer. */
export function unansweredLine(requestId: string, customId: string, error: { readonly code: string; readonly message: string }): Buffer {
  return Buffer.from(`{"id":"batch_req_${requestId}","custom_id":${customId},"response":null,"error":${JSON.stringify(error)}}\n`);
}

/** A file of which one line is none cannot be read by most programs. What is too large to be looked at in a moment is believed where it looks so. */
function isJson(bytes: Buffer): boolean {
  if (!looksLikeJson(bytes) || !isUtf8(bytes)) return false;
  if (bytes.length > MOST_PARSED_BYTES) return true;
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

/**
 * JSON as it came, but for breaks between its lines: within a string they cannot stand as they are, so outside of strings they mean no more
 * than a space. What is no JSON is made a string of it.
 */
function inOneLine(bytes: Buffer): Buffer {
  if (!isJson(bytes)) return Buffer.from(JSON.stringify(bytes.toString('utf8')));
  if (!bytes.includes(LINE_FEED) && !bytes.includes(CARRIAGE_RETURN)) return bytes;
  const flat = Buffer.from(bytes);
  for (let at = 0; at < flat.length; at++) if (flat[at] === LINE_FEED || flat[at] === CARRIAGE_RETURN) flat[at] = SPACE;
  return flat;
}
