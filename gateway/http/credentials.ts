import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { GatewayError } from '../core/errors.ts';
import { ANONYMOUS, type Principal } from '../core/principal.ts';

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

/**
 * Who sent a request for a worker. Asked before the body is read. No keys can be set yet, so nobody's is looked at: clients send made-up
 * ones, and some send two.
 */
export function principalOf(_headers: IncomingHttpHeaders): Principal {
  return ANONYMOUS;
}

/** Compares in a time that says nothing of where they differ. */
export function sameKey(given: string, key: string): boolean {
  return timingSafeEqual(digest(given), digest(key));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
