import { type ClientRequest, request, type RequestOptions } from 'node:http';

/** Where the supervisor's control API listens. */
export type ControlAddress = { readonly socketPath: string } | { readonly host: string; readonly port: number };

/** A request on a connection of its own: the API is quiet, and one that is kept open would be found dead at the wrong time. */
export function controlRequest(address: ControlAddress, options: Pick<RequestOptions, 'method' | 'path'>): ClientRequest {
  // The name in Host is never looked up; a supervisor may use it to turn browsers away.
  return request({ ...address, ...options, agent: false, headers: { host: 'localhost' } });
}
