import { GatewayError } from '../core/errors.ts';

/** Paths as written, without dot segments, doubled slashes, backslashes or escapes: what we route is what any proxy before us saw. */
const PLAIN_PATH = /^\/(?:[A-Za-z0-9._~:@!$&'()*+,;=-]+(?:\/[A-Za-z0-9._~:@!$&'()*+,;=-]+)*)?$/;
/** Model ids hold slashes, and SDKs escape them. */
const MODEL_PATH = /^\/v1\/models\/(?:[A-Za-z0-9._~:@!$&'()*+,;=/-]|%[0-9A-Fa-f]{2})+$/;
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/;
/** Taken as written, here and by the adapter behind us. */
const PLAIN_HOST = /^[a-z0-9._-]+(?::[1-9]\d{3})?$/;
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

/** What stands for the host of an HTTP/1.0 request that names none: nothing that anyone would trust. */
export const UNNAMED_HOST = 'unnamed.invalid';

/**
 * The host of a request. Host headers are counted as they were sent (names and values in turn): Node keeps the first of two, where a proxy
 * before us may have gone by the other.
 * @throws invalid_host unless there is one Host header that names one host; HTTP/1.0 may do without.
 */
export function hostOf(rawHeaders: readonly string[], httpVersion: string): string {
  let host: string | undefined;
  let count = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') {
      host = rawHeaders[i + 1]!;
      count++;
    }
  }
  if (count === 0 && httpVersion === '1.0') return UNNAMED_HOST;
  if (host === undefined || count > 1 || !namesOneHost(host)) {
    throw new GatewayError('invalid_host', 'The request must have one Host header that names one host.', { close: true });
  }
  return host;
}

function namesOneHost(host: string): boolean {
  if (PLAIN_HOST.test(host)) return true;
  // What a URL would turn into something else (1.2.3.256, [0:0::1], port 99999) is not taken for what it might mean.
  return HOST.test(host) && URL.parse(`http://${host}`)?.hostname === host.replace(/:\d+$/, '').toLowerCase();
}
