import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import { ANONYMOUS, type Principal } from '../core/principal.ts';
import type { Door } from '../keys/door.ts';
import { ShownKey } from '../keys/shown-key.ts';

/** By connection. */
const shown = new WeakMap<object, ShownKey>();

const BEARER = /^bearer +(\S+)$/i;

/**
 * The key that a request brings: as a bearer token, or in x-api-key, as Anthropic's SDKs send it. null: none.
 * @throws conflicting_credentials for two that differ
 */
export function givenKey(headers: IncomingHttpHeaders): string | null {
  const bearer = BEARER.exec(headers.authorization ?? '')?.[1];
  // Node joins several of this name into one text.
  const other = headers['x-api-key'] as string | undefined;
  if (bearer !== undefined && other !== undefined && bearer !== other) {
    throw new GatewayError('conflicting_credentials', 'Two different keys were given; send one.');
  }
  return bearer ?? other ?? null;
}

/** Who sent a request. Asked before its body is read. @throws invalid_api_key · conflicting_credentials */
export function principalOf({ headers, socket }: IncomingMessage, door: Door): Principal {
  const principal = door.asks ? door.principalOf(givenKey(headers), shownBy(socket)) : ANONYMOUS;
  // Node joins several of this name into one text.
  return principal.kind === 'key'
    ? principal
    : door.strangerFrom(socket.remoteAddress ?? '', headers['x-forwarded-for'] as string | undefined);
}

function shownBy(socket: object): ShownKey {
  let key = shown.get(socket);
  if (key === undefined) shown.set(socket, (key = new ShownKey()));
  return key;
}

/** Compares in a time that says nothing of where they differ. */
export function sameKey(given: string, key: string): boolean {
  return timingSafeEqual(digest(given), digest(key));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
