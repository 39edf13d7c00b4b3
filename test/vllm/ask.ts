import { rawRequest, type RawAnswer } from '../support/raw-http.ts';
import type { Case } from './case.ts';

/** Longer than any case takes on a slow machine; an engine that never answers is a difference, not the end of the run. */
const LIMIT_MS = 30_000;

/** An answer, or why there is none. */
export type Asked = RawAnswer | { readonly nothing: string };

/** Sends one case to whoever listens on `port`. */
export async function ask(port: number, { path, method, body, raw, headers }: Case): Promise<Asked> {
  const sent = raw ?? (body === undefined ? '' : JSON.stringify(body));
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const verb = method ?? (sent.length > 0 ? 'POST' : 'GET');
  try {
    return await rawRequest({ port, path, method: verb, body: sent, headers: { ...type, ...headers }, limitMs: LIMIT_MS });
  } catch (error) {
    return { nothing: error instanceof Error ? error.message : String(error) };
  }
}
