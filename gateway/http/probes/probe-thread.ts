import type { AddressInfo } from 'node:net';
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../../core/clock.ts';
import { answerOf, type ThreadData, type ThreadWord, type Told } from './told.ts';

// An import of it would load Node's own fetch as well, unused, in 40 ms of CPU time: as long as all the rest of a small program.
const { createServer } = process.getBuiltinModule('node:http');

// The program of the thread that answers probes. It knows what it was last told, and when.

/** A probe takes one connection for a moment. */
const MOST_CONNECTIONS = 256;
const PATIENCE_MS = 5_000;

if (!isMainThread && parentPort !== null) run(parentPort, workerData as ThreadData);

function run(port: NonNullable<typeof parentPort>, data: ThreadData): void {
  let told = data.told;
  let toldAt = systemClock.now();
  port.on('message', (next: Told) => {
    told = next;
    toldAt = systemClock.now();
  });

  const server = createServer({ headersTimeout: PATIENCE_MS, requestTimeout: PATIENCE_MS, keepAliveTimeout: PATIENCE_MS });
  server.maxConnections = MOST_CONNECTIONS;
  server.on('request', ({ method, url = '' }, response) => {
    const answer = method === 'GET' || method === 'HEAD' ? answerOf(told, systemClock.now() - toldAt, data.stuckMs, url) : null;
    const message = 'Only GET /livez, /health, /readyz and /startupz are answered here.';
    const body = JSON.stringify(answer?.body ?? { error: { message, type: 'invalid_request_error', param: null, code: 'unknown_url' } });
    response.writeHead(answer?.status ?? 404, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
    });
    response.end(method === 'HEAD' ? undefined : body);
  });
  server.on('error', ({ code = '', message }: NodeJS.ErrnoException) => {
    port.postMessage({ kind: 'failed', code, message } satisfies ThreadWord);
    port.close();
  });
  server.listen(data.port, data.host, () => {
    const { address, family, port: taken } = server.address() as AddressInfo;
    port.postMessage({ kind: 'listening', url: `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}` } satisfies ThreadWord);
  });
}
