import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Sim } from '../engine/sim.ts';
import { ApiError } from '../request/api-error.ts';
import { Exchange } from '../request/exchange.ts';
import { failureError } from '../request/job.ts';
import { Routes } from './routes.ts';

// An import of it would load Node's own fetch as well, unused, in 40 ms of CPU time: as long as all the rest of a small program.
const { createServer } = process.getBuiltinModule('node:http');

/** Paths that `--api-key` protects; the others stay open, as in vLLM. */
const GUARDED = ['/v1', '/v2', '/inference', '/cohere'];

/** What a server says of each of its routes as it starts. */
export function routeLines(settings: Sim['settings']): string[] {
  const { paths } = new Routes({ ...settings.serves, devMode: settings.devMode, faultRoute: settings.faultRoute });
  return Object.entries(paths).map(([path, { methods }]) => `Route: ${path}, Methods: ${methods.join(', ')}`);
}

/** The simulated server's front end, not yet listening. */
export function createFrontEnd(sim: Sim): Server {
  const routes = new Routes({ ...sim.settings.serves, devMode: sim.settings.devMode, faultRoute: sim.settings.faultRoute });
  const server = createServer(
    { keepAliveTimeout: sim.settings.keepAliveS * 1000, requestTimeout: 0, headersTimeout: 0 },
    (request, response) => {
      void answer(sim, routes, request, response);
    },
  );
  // Node would wait a second longer than it was told.
  server.keepAliveTimeoutBuffer = 0;
  server.timeout = 0;
  return server;
}

async function answer(sim: Sim, routes: Routes, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const exchange = new Exchange(sim, request, response);
  const { settings } = sim;
  const began = performance.now();
  response.once('close', () => {
    sim.http.observe({
      route: exchange.route,
      method: request.method ?? '',
      status: response.statusCode,
      requestBytes: Number(request.headers['content-length'] ?? 0),
      responseBytes: Number(response.getHeader('content-length') ?? 0),
      seconds: (performance.now() - began) / 1000,
    });
    if (!settings.accessLog || settings.quietPaths.includes(exchange.path) || !response.headersSent) return;
    const { remoteAddress = '127.0.0.1', remotePort = 0 } = request.socket;
    sim.log.access(
      `${remoteAddress}:${remotePort} - "${request.method} ${exchange.path} HTTP/${request.httpVersion}" ${response.statusCode} ${response.statusMessage}`,
    );
  });
  try {
    await dispatch(exchange, routes);
  } catch (error) {
    // A client that left while its body was read needs no answer.
    if (response.destroyed) return;
    if (error instanceof ApiError) return exchange.fail(error);
    sim.log.stderr(
      'APIServer',
      `ERROR:    Exception in ASGI application\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
    exchange.fail(failureError('request-error'));
  }
}

async function dispatch(exchange: Exchange, routes: Routes): Promise<void> {
  const { sim, path, request } = exchange;
  if (!authorized(exchange)) {
    exchange.outside = true;
    return exchange.json(401, { error: 'Unauthorized' });
  }
  const found = routes.find(path);
  if (found === undefined) return exchange.json(404, { detail: 'Not Found' });
  const { route } = found;
  exchange.parameters = found.parameters;
  exchange.route = found.written;
  if (!route.methods.includes(request.method ?? '')) {
    return exchange.json(405, { detail: 'Method Not Allowed' }, ['allow', route.methods.join(', ')]);
  }
  if (!route.inference) return route.handler(exchange);
  sim.serverLoad++;
  exchange.response.once('close', () => sim.serverLoad--);
  if (sim.stopping) {
    // Its threads have gone before it; what fails so comes by no middleware (seen of 0.32.0, sigterm-new-request-500).
    exchange.outside = true;
    throw new ApiError(500, 'InternalServerError', 'cannot schedule new futures after shutdown');
  }
  if (sim.engine.dead) {
    sim.onDeathRaised();
    throw failureError('engine-dead');
  }
  exchange.fault = sim.requestFaults.take();
  if (exchange.fault?.kind === 'error-500') throw failureError('request-error');
  if (exchange.fault?.kind === 'html') {
    // What a captive portal, or a wrong server behind the port, would say.
    return exchange.send(
      200,
      'text/html; charset=utf-8',
      '<!doctype html><html><head><title>Welcome</title></head><body>It works!</body></html>\n',
    );
  }
  return route.handler(exchange);
}

function authorized(exchange: Exchange): boolean {
  const { apiKeys } = exchange.sim.settings;
  if (apiKeys.length === 0 || exchange.request.method === 'OPTIONS') return true;
  if (!GUARDED.some((prefix) => exchange.path.startsWith(prefix))) return true;
  const [scheme, key] = (exchange.header('authorization') ?? '').split(' ');
  return scheme?.toLowerCase() === 'bearer' && key !== undefined && apiKeys.includes(key);
}
