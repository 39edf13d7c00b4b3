import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Writable } from 'node:stream';
import { urlToHttpOptions } from 'node:url';
import { answered, authorization, notThere, type StoredApi, type Told } from './stored-api.ts';

const { request } = process.getBuiltinModule('node:http');

const SILENCE_MS = 60_000;
const MOST_REFUSAL_CHARS = 65_536;

/** Writes what a file holds, as it comes and as fast as it is taken; `to` stays open. @returns how many bytes @throws what `to` says */
export async function download(api: StoredApi, file: string, to: Writable): Promise<Told<number>> {
  let response: IncomingMessage;
  try {
    response = await ask(api, `/v1/files/${encodeURIComponent(file)}/content`);
  } catch (error) {
    return notThere(api, error);
  }
  if (response.statusCode !== 200) return refusal(api, response);
  let bytes = 0;
  let trouble: Error | null = null;
  const hear = (error: Error): void => {
    trouble = error;
    response.destroy();
  };
  to.on('error', hear);
  try {
    for await (const piece of response) {
      bytes += (piece as Buffer).length;
      if (!to.write(piece)) await once(to, 'drain');
    }
  } catch (error) {
    if (trouble === null && response.errored !== null) return notThere(api, error);
    throw trouble ?? error;
  } finally {
    to.off('error', hear);
  }
  if (trouble !== null) throw trouble as Error;
  return { kind: 'told', body: bytes };
}

/** The head of an answer with bytes, which are the caller's to read. @throws what the network says */
export function ask({ base, key }: StoredApi, path: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const where = { ...urlToHttpOptions(new URL(base + path)), agent: false, timeout: SILENCE_MS, headers: authorization(key) };
    const outgoing = request(where, resolve);
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error('it did not answer in time'), { code: 'ETIMEDOUT' })));
    outgoing.on('error', reject);
    outgoing.end();
  });
}

/** What an answer says that is none of bytes. */
export async function refusal<T>(api: StoredApi, response: IncomingMessage): Promise<Told<T>> {
  let text = '';
  try {
    for await (const piece of response.setEncoding('utf8')) if (text.length < MOST_REFUSAL_CHARS) text += piece as string;
  } catch (error) {
    return notThere(api, error);
  }
  return answered(api, response.statusCode ?? 0, text);
}
