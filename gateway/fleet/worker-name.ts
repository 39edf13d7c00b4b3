import { isLoopbackHost } from '../config/schema/values/addresses.ts';

/**
 * What all gateways call a worker that is at this address, whatever each calls it for itself. An address that is another machine's on each of
 * them names this one as well.
 * @param url http(s)://host:port
 */
export function workerName(url: string, machine: string): string {
  const { hostname } = new URL(url);
  return isLoopbackHost(hostname) ? `${machine} ${url}` : url;
}
