import type { IncomingMessage, ServerResponse } from 'node:http';
import { GatewayError } from '../../core/errors.ts';
import type { StoredBytes } from '../../files/files.ts';
import { dropWhenStalled } from '../stalled-client.ts';
import { rangeOf } from './byte-range.ts';

/** What is read at once, and all that an answer holds in memory beside its socket. */
const BLOCK_BYTES = 131_072;

/** The head of an answer with a file's bytes. */
interface ContentHead {
  readonly status: 200 | 206;
  readonly headers: Record<string, string>;
  readonly start: number;
  readonly end: number;
}

/** @throws range_not_satisfiable */
export function contentHead({ headers }: IncomingMessage, { row, size }: StoredBytes): ContentHead {
  const etag = `"${row.id}"`;
  const isFresh = headers['if-range'] === undefined || headers['if-range'] === etag;
  const range = rangeOf(isFresh ? headers.range : undefined, size);
  if (range.kind === 'none') {
    throw new GatewayError('range_not_satisfiable', `The file has ${size} bytes, and none where the range begins.`, { size });
  }
  const { start, end } = range.kind === 'part' ? range : { start: 0, end: size };
  return {
    status: range.kind === 'part' ? 206 : 200,
    start,
    end,
    headers: {
      // Whatever it is, no browser is to show it as a page of ours.
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename*=UTF-8''${encoded(row.filename)}`,
      'x-content-type-options': 'nosniff',
      'content-length': String(end - start),
      'accept-ranges': 'bytes',
      etag,
      ...(range.kind === 'part' ? { 'content-range': `bytes ${start}-${end - 1}/${size}` } : {}),
    },
  };
}

/**
 * Sends it as fast as the client takes it; one that takes nothing for a while is dropped. Resolves when it is over, whole or not.
 * @throws what the disk says; the answer is cut then
 */
export async function sendContent(
  incoming: IncomingMessage,
  response: ServerResponse,
  bytes: StoredBytes,
  { status, headers, start, end }: ContentHead,
): Promise<void> {
  if (response.destroyed) return;
  response.writeHead(status, headers);
  dropWhenStalled(response);
  const { promise: gone, resolve: onGone } = Promise.withResolvers<void>();
  response.once('close', onGone);
  // An answer that waits for an earlier one of its connection never hears of its end.
  incoming.socket.once('close', onGone);
  try {
    for (let at = start; at < end;) {
      // Not written over: what was written before may still lie in the socket.
      const block = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, end - at));
      const count = await bytes.read(block, at);
      if (isGone(incoming, response)) return;
      if (count === 0) throw new Error('the file is shorter than it was');
      at += count;
      if (!response.write(block.subarray(0, count))) await Promise.race([drained(response), gone]);
      if (isGone(incoming, response)) return;
    }
    response.end();
    await gone;
  } catch (error) {
    response.destroy();
    throw error;
  } finally {
    incoming.socket.off('close', onGone);
  }
}

function isGone({ socket }: IncomingMessage, response: ServerResponse): boolean {
  return response.destroyed || socket.destroyed;
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once('drain', resolve));
}

/** RFC 8187 §3.2.1 */
function encoded(name: string): string {
  return encodeURIComponent(name).replaceAll(/['()*!]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}
