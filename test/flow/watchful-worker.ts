import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface WatchfulWorker extends AsyncDisposable {
  readonly url: string;
  /** Every request but those by which the gateway watches it, as `METHOD target`. */
  readonly seen: string[];
}

/** What the gateway asks a worker on its own account. */
const WATCHING = ['GET /health', 'GET /version', 'GET /v1/models', 'GET /metrics', 'GET /is_paused'];

/** A worker that says yes to everything, on every path, and remembers what it was asked. */
export async function startWatchfulWorker(): Promise<WatchfulWorker> {
  const seen: string[] = [];
  const server: Server = createServer((request: IncomingMessage, response) => {
    const asked = `${request.method} ${request.url}`;
    if (!WATCHING.includes(asked)) seen.push(asked);
    request.resume();
    request.on('end', () => {
      if (asked === 'GET /metrics') response.end('vllm:num_requests_running{engine="0"} 0\nvllm:a_secret_of_the_worker 1\n');
      else {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify({ version: '0.28.0', object: 'list', data: [{ id: 'm', object: 'model', max_model_len: 8192 }] }));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
