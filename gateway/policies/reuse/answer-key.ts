import { createHash } from 'node:crypto';
import type { Call } from '../../core/call.ts';
import { nameOf } from '../../core/principal.ts';
import { canonical } from '../../openai/canonical.ts';
import type { JsonObject } from '../../openai/json-body.ts';

/** Whose answers may be given to whom: each key's to itself alone, or everybody's to everybody. */
export type Scope = 'key' | 'all';

/**
 * What requests have in common which may be given the same answer; null where there can be no such requests.
 * @param ofText what a text counts as
 */
export function answerKey(call: Call, scope: Scope, ofText: ((text: string) => string) | null = null): string | null {
  const value = JSON.parse(call.body.bytes.toString('utf8')) as JsonObject;
  const text = canonical(withUsage(value, call), call.route.path, ofText);
  if (text === null) return null;
  return digestOf(call, scope, text);
}

/** The same for requests that are alike to the byte: found without looking into them. */
export function exactKey(call: Call, scope: Scope): string {
  return digestOf(call, scope, call.body.bytes);
}

function digestOf(call: Call, scope: Scope, text: string | Buffer): string {
  const asked = call.body.usageAsked === true;
  return createHash('sha256')
    .update(`${whose(call, scope)}\n${call.route.path}\n${call.model}\n${asked}\n`)
    .update(text)
    .digest('base64');
}

/** Calls with different words here have nothing in common. Neither the name of a key nor that of a model has a line break in it. */
export function whose({ principal }: Call, scope: Scope): string {
  if (scope === 'all') return '';
  const name = nameOf(principal);
  return name === null ? 'nobody' : `key ${name}`;
}

/** What we have asked a worker for besides is not what the client asked for. */
function withUsage(value: JsonObject, { body }: Call): JsonObject {
  return body.usageAsked === true ? { ...value, stream_options: null } : value;
}
