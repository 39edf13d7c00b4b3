import type { Readable } from 'node:stream';
import type { Pool } from 'undici';
import { GatewayError } from '../../core/errors.ts';
import type { UpstreamExchange, UpstreamListener, UpstreamRequest } from '../../core/transport.ts';
import { frameOf, isEventStream } from './frame-of.ts';

/** Sends a body that is still arriving (multipart audio) straight through, at the pace of the slower side. */
export function sendUpload(
  pool: Pool,
  request: UpstreamRequest,
  body: { readonly stream: Readable; readonly contentLength: number | null },
  authorization: Record<string, string>,
  listener: UpstreamListener,
): UpstreamExchange {
  const abort = new AbortController();
  let answer: Readable | null = null;
  let over = false;

  function fail(cause: unknown): void {
    if (over) return;
    over = true;
    const code = (cause as { code?: string }).code ?? '';
    const unreachable = code === 'ECONNREFUSED' || code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ENOTFOUND' || code === 'EHOSTUNREACH';
    const message = unreachable ? 'The worker could not be reached.' : 'The worker broke off the connection.';
    listener.onFailed({ kind: unreachable ? 'connect' : 'died', error: new GatewayError('upstream_disconnected', message, { cause }) });
  }

  async function run(): Promise<void> {
    const response = await pool.request({
      path: request.path,
      method: request.method,
      headers: {
        ...authorization,
        ...request.headers,
        ...(body.contentLength === null ? {} : { 'content-length': String(body.contentLength) }),
      },
      body: body.stream,
      signal: abort.signal,
      headersTimeout: 0,
      bodyTimeout: 0,
      // A connection for each: what a worker says after its answer never meets the next request.
      reset: true,
    });
    const length = response.headers['content-length'];
    const contentType = String(response.headers['content-type'] ?? '').toLowerCase();
    const events = isEventStream(contentType);
    answer = response.body;
    listener.onHead({
      status: response.statusCode,
      contentType,
      contentLength: typeof length === 'string' ? Number(length) : null,
    });
    response.body.on('data', (piece: Buffer) => {
      if (over) return;
      if (events) listener.onFrames(frameOf(piece));
      else listener.onData(piece);
    });
    response.body.on('end', () => {
      if (over) return;
      over = true;
      listener.onEnd();
    });
    response.body.on('error', fail);
  }

  run().catch(fail);
  // An upload comes at the client's pace.
  body.stream.once('end', () => {
    if (!over) listener.onSent();
  });
  return {
    pause: () => answer?.pause(),
    resume: () => answer?.resume(),
    abort() {
      over = true;
      answer?.on('error', () => {});
      abort.abort();
    },
  };
}
