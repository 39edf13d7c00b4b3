import type { IncomingHttpHeaders } from 'node:http';

/** Whose pages may call: everybody's, those of this machine, or those of these origins. */
export type Origins = 'any' | 'local' | readonly string[];

const LOCAL = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

/** Whether pages of an origin may call the API. `null`, which any page can make itself, is only part of "everybody". */
export function isAllowed(origin: string, origins: Origins): boolean {
  return origins === 'any' || (origins === 'local' ? LOCAL.test(origin) : origins.includes(origin));
}

/**
 * Whether a page of another site had the browser send this. A page cannot change what its browser says of it; a program that is no browser
 * says nothing, and has no page to be deceived by.
 */
export function isOfAnotherSite(headers: IncomingHttpHeaders): boolean {
  const site = headers['sec-fetch-site'];
  // "none": a person typed the address.
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  return [headers.origin, headers.referer].some((page) => page !== undefined && !isOwn(page, headers));
}

/** Whether a page of the host that was asked had the browser send this, as the browser says in both ways that it has. */
export function isOfOwnPage(headers: IncomingHttpHeaders): boolean {
  const { origin, 'sec-fetch-site': site } = headers;
  return origin !== undefined && isOwn(origin, headers) && (site === undefined || site === 'same-origin');
}

/** Whether a page is of the host that was asked: by the name that reached us, or by the one that a proxy says it was asked for. */
function isOwn(page: string, headers: IncomingHttpHeaders): boolean {
  const url = URL.parse(page);
  if (url === null) return false;
  return [headers.host, headers['x-forwarded-host']].some(
    (host) => typeof host === 'string' && URL.parse(`${url.protocol}//${host}`)?.host === url.host,
  );
}
