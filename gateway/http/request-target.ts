import { GatewayError } from '../core/errors.ts';

/** Paths as written, without dot segments, doubled slashes, backslashes or escapes: what we route is what any proxy before us saw. */
const PLAIN_PATH = /^\/(?:[A-Za-z0-9._~:@!$&'()*+,;=-]+(?:\/[A-Za-z0-9._~:@!$&'()*+,;=-]+)*)?$/;
/** Model ids hold slashes, and SDKs escape them. */
const MODEL_PATH = /^\/v1\/models\/(?:[A-Za-z0-9._~:@!$&'()*+,;=/-]|%[0-9A-Fa-f]{2})+$/;
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/;
const HOST = /^(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/;

/**
 * The path of a request target, or null for one that no route can have: `/v1/../metrics` and `/%61dmin` are not looked up as what they
 * might be normalized to.
 * @throws invalid_target for anything but origin form (RFC 9112 §3.2.1)
 */
export function pathOf(target: string): string | null {
  if (target.charCodeAt(0) !== 0x2f)
    throw new GatewayError('invalid_target', 'The request target must begin with a slash.', { close: true });
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  if (DOT_SEGMENT.test(path)) return null;
  return PLAIN_PATH.test(path) || MODEL_PATH.test(path) ? path : null;
}

/**
 * Host headers are counted as they were sent (names and values in turn): Node keeps the first of two, a proxy before us may keep the other.
 * @throws invalid_host unless there is one Host header that names one host; HTTP/1.0 may do without.
 */
export function checkHost(rawHeaders: readonly string[], httpVersion: string): void {
  let host: string | undefined;
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') {
      host = rawHeaders[i + 1];
      count++;
    }
  }
  if (count === 0 && httpVersion === '1.0') return;
  if (count !== 1 || !HOST.test(host!)) {
    throw new GatewayError('invalid_host', 'The request must have one Host header that names one host.', { close: true });
  }
}
