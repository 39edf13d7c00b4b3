import { Hono } from 'hono';
import { GatewayError } from './core/errors.ts';
import { mayUse, type Principal } from './core/principal.ts';
import type { ModelEntry, WorkerDirectory } from './core/worker.ts';
import { principalOf } from './http/credentials.ts';
import type { Door } from './keys/door.ts';
import { admin, checkAdmin, type AdminContext } from './http/pages/admin.ts';
import type { Guesses } from './http/guesses.ts';
import type { HttpAnswer, HttpContext, HttpEnv } from './http/http-env.ts';
import { front } from './http/pages/front.ts';
import { type ConsoleContext, consolePages } from './console/console.ts';
import { operations, type OperationsContext } from './http/pages/operations.ts';
import { meantBy } from './http/meant-path.ts';
import { requestIdOf } from './http/identify.ts';
import type { BatchesApi } from './http/stored/batches.ts';
import type { FilesApi } from './http/stored/files-api.ts';
import { isOperatorsPath, RELAYED_ROUTES, storedMethod } from './http/routes.ts';
import type { Refusals } from './http/refusals.ts';
import type { Stage } from './http/lifecycle.ts';
import { modelFor, unknownModel } from './openai/model-names.ts';
import { isServedFor } from './core/hops/elsewhere.ts';
import { gatewaysIn } from './core/hops/via.ts';
import { modelCard, modelList } from './openai/models.ts';

export interface AppContext {
  readonly directory: WorkerDirectory;
  readonly lifecycle: () => Stage;
  readonly newId: () => string;
  /** By which other gateways know this one. */
  readonly gatewayId: string;
  readonly operations: OperationsContext;
  readonly admin: AdminContext;
  readonly console: ConsoleContext;
  /** api: all but admin (it has a listener of its own) · admin: that listener · both */
  readonly surface: 'api' | 'admin' | 'both';
  readonly refusals: Refusals;
  /** Of the key of /admin, and of keys of clients. */
  readonly guesses: Guesses;
  readonly mistakes: Guesses;
  readonly door: Door;
  readonly files: FilesApi;
  readonly batches: BatchesApi;
  /** Whether anyone may read /metrics. */
  readonly metricsArePublic: () => boolean;
}

/** Nobody is led to pages of operators, but for the one that is for people. */
function isHidden(path: string): boolean {
  return path !== '/console' && isOperatorsPath(path);
}

const ONE_MODEL = /^\/v1\/models\/[^]/;
const ONE_FILE = /^\/v1\/files\/[^/]+(\/content)?$/;
const ONE_BATCH = /^\/v1\/batches\/[^/]+(?:\/(cancel|output))?$/;
const WHOLE_UPLOADS = /^(?:\/v1)?\/uploads(?:\/|$)/;

/** The route table: every URL the gateway answers. What is not here is not reachable, at a worker or anywhere else. */
export function createApp(context: AppContext): Hono<HttpEnv> {
  const app = new Hono<HttpEnv>({ strict: true });
  const methods = new Map<string, string>();
  // Relayed calls name themselves: their head is written in one piece.
  const named =
    (answer: HttpAnswer, path: string): HttpAnswer =>
    async (c) => {
      const { incoming, outgoing } = c.env;
      outgoing.setHeader('x-request-id', requestIdOf(incoming.headers, context.newId));
      // No client is to meet its connection again at the moment when a drain closes all of them.
      if (context.lifecycle() !== 'serving') outgoing.shouldKeepAlive = false;
      try {
        return await answer(c);
      } catch (thrown) {
        // The books know it by its place in this table, not by what a client wrote.
        return refuse(c, await context.mistakes.inTime(thrown, incoming), path.replaceAll('{[^]+}', ''));
      }
    };
  const knows = (path: string, method: string) => methods.set(path, [methods.get(path) ?? [], method].flat().join(', '));
  const get = (path: string, answer: HttpAnswer) => {
    knows(path, 'GET, HEAD');
    app.get(path, named(sized(answer), path));
  };
  const post = (path: string, answer: HttpAnswer) => {
    knows(path, 'POST');
    app.post(path, named(answer, path));
  };

  // For apps
  if (context.surface !== 'admin') {
    // A POST to one of these never comes here: it went straight to serveCall (main.ts).
    for (const { path } of RELAYED_ROUTES) methods.set(path, 'POST');
    get('/v1/models', (c) => {
      const asker = askerOf(c);
      const came = gatewaysIn(c.req.header('via'));
      const models = context.directory.models().filter((model) => mayUse(asker, model));
      const isServed = came.length === 0 ? null : (model: ModelEntry) => isServedFor(context.directory, model, came);
      return c.json(modelList(models, context.gatewayId, isServed));
    });
    get('/v1/models/:id{[^]+}', (c) => {
      const id = c.req.param('id') ?? '';
      return c.json(modelCard(findModel(context.directory, askerOf(c), id), id));
    });
  }

  if (context.surface !== 'admin') {
    const { files, batches } = context;
    post('/v1/files', files.create);
    get('/v1/files', files.list);
    get('/v1/files/:id', files.show);
    app.delete('/v1/files/:id', named(files.remove, '/v1/files/:id'));
    get('/v1/files/:id/content', files.content);
    post('/v1/batches', batches.create);
    get('/v1/batches', batches.list);
    get('/v1/batches/:id', batches.show);
    post('/v1/batches/:id/cancel', batches.cancel);
    get('/v1/batches/:id/output', batches.soFar);
  }

  // For machines
  const ops = operations(context.operations);
  const sign = front(context.operations.version, context.surface);
  if (context.surface === 'api') get('/', sign);
  get('/health', ops.live);
  get('/livez', ops.live);
  get('/readyz', ops.ready);
  get('/startupz', ops.startup);
  get('/metrics', async (c) => {
    if (!context.metricsArePublic())
      await checkAdmin(c.env.incoming, context.admin.key(), context.guesses, context.door, context.console.sessions);
    return ops.metrics(c);
  });
  get('/stats', ops.stats);
  get('/version', ops.version);

  // For operators
  if (context.surface !== 'api') {
    const answers = admin(context.admin);
    const guarded =
      (answer: HttpAnswer): HttpAnswer =>
      async (c) => {
        await checkAdmin(c.env.incoming, context.admin.key(), context.guesses, context.door, context.console.sessions);
        return answer(c);
      };
    const pages = consolePages(context.console);
    get('/', (c) => (asksForPage(c) ? pages.page(c) : sign(c)));
    get('/console', pages.page);
    get('/console/:file{[^]+}', pages.file);
    post('/console/session', guarded(pages.signIn));
    app.delete('/console/session', named(guarded(pages.signOut), '/console/session'));
    get('/admin/events', guarded(pages.events));
    get('/admin/workers/:id{[^]+}/log', guarded(pages.workerLog));
    get('/admin/status', guarded(answers.status));
    get('/admin/config', guarded(answers.config));
    get('/admin/keys', guarded(answers.keys));
    get('/admin/usage', guarded(answers.usage));
    get('/admin/batches', guarded(context.batches.all));
    get('/admin/debug/bundle', guarded(answers.bundle));
    get('/debug/runtime', guarded(answers.runtime));
    post('/admin/reload', guarded(answers.reload));
    post('/admin/trial', guarded(answers.trial));
    get('/admin/canary', guarded(answers.canary));
    post('/admin/canary', guarded(answers.orderCanary));
    get('/admin/gpu/lease', guarded(answers.leases));
    post('/admin/gpu/lease', guarded(answers.orderLease));
    knows('/admin/gpu/lease', 'DELETE');
    app.delete('/admin/gpu/lease', named(guarded(answers.endLease), '/admin/gpu/lease'));
    post('/admin/workers/:id{[^]+}/:verb', guarded(answers.workerCommand));
    post('/admin/models/:id{[^]+}/:verb', guarded(answers.modelCommand));
  }

  app.notFound(named((c) => refuse(c, unknown(c)), 'unknown'));
  app.onError((thrown, c) => refuse(c, thrown));

  function askerOf(c: HttpContext): Principal {
    return principalOf(c.env.incoming, context.door);
  }

  function unknown(c: HttpContext): GatewayError {
    const { path, method } = c.req;
    const allow =
      methods.get(path) ??
      (ONE_MODEL.test(path)
        ? 'GET, HEAD'
        : context.surface === 'admin'
          ? undefined
          : (fileMethods(path) ?? batchMethod(path) ?? storedMethod(path) ?? undefined));
    if (allow !== undefined) {
      return new GatewayError('method_not_allowed', `${method} is not allowed here; use ${allow.replace(', HEAD', '')}.`, { allow });
    }
    const asked = `${method} ${path.slice(0, 200)}`;
    const meant = context.surface === 'admin' ? null : meantBy(path, (other) => methods.has(other) && !isHidden(other));
    switch (meant?.kind) {
      case 'slashes': {
        const { url = '' } = c.env.incoming;
        const query = url.indexOf('?');
        const location = meant.path + (query < 0 ? '' : url.slice(query));
        return new GatewayError('moved', `There is no ${asked}; the path is ${meant.path}.`, { location });
      }
      case 'base':
        return new GatewayError(
          'unknown_url',
          `Unknown request URL: ${asked}. The path is ${meant.path}: the base URL of an OpenAI client ends in /v1, that of an Anthropic client before it.`,
        );
      case 'not_offered':
        if (WHOLE_UPLOADS.test(path)) {
          return new GatewayError('unknown_url', `${asked} is not offered here: send the file as a whole to /v1/files.`);
        }
        return new GatewayError('unknown_url', `${asked} is part of ${meant.api}'s API, and not offered here.`);
      default:
        return new GatewayError('unknown_url', `Unknown request URL: ${asked}. Please check the URL for typos.`);
    }
  }

  function refuse(c: HttpContext, thrown: unknown, route = 'unknown'): Response {
    const id = String(c.env.outgoing.getHeader('x-request-id') ?? '');
    const dialect = c.req.path.startsWith('/v1/messages') ? 'anthropic' : 'openai';
    const request = { id, route, target: c.env.incoming.url ?? '', dialect, method: c.req.method, durationMs: 0 } as const;
    const { status, headers, body } = context.refusals.record(context.refusals.errorOf(thrown, id), request);
    if (dialect === 'anthropic') headers['request-id'] = id;
    if (c.req.method === 'HEAD') headers['content-length'] = String(Buffer.byteLength(body));
    return new Response(body, { status, headers });
  }

  return app;
}

/** HEAD says how long the answer to a GET is (RFC 9110 §9.3.2), unless that is a stream without an end. */
function sized(answer: HttpAnswer): HttpAnswer {
  return async (c) => {
    const response = await answer(c);
    if (c.req.method !== 'HEAD' || response.body === null) return response;
    const { status, headers } = response;
    if (headers.get('content-type')?.startsWith('text/event-stream')) {
      await response.body.cancel();
    } else headers.set('content-length', String((await response.arrayBuffer()).byteLength));
    return new Response(null, { status, headers });
  };
}

/** It is a browser, with somebody who wants to see. */
function asksForPage(c: HttpContext): boolean {
  c.header('vary', 'accept');
  return c.req.header('accept')?.includes('text/html') === true;
}

/** What the path of one file may be asked for; null: it is none. */
function fileMethods(path: string): string | null {
  const match = ONE_FILE.exec(path);
  if (!match) return null;
  return match[1] === undefined ? 'GET, HEAD, DELETE' : 'GET, HEAD';
}

/** The same of one batch. */
function batchMethod(path: string): string | null {
  const match = ONE_BATCH.exec(path);
  if (!match) return null;
  return match[1] === 'cancel' ? 'POST' : 'GET, HEAD';
}

/** Ids hold slashes; SDKs write them escaped, people do not. */
function findModel(directory: WorkerDirectory, asker: Principal, id: string) {
  const model = modelFor(directory, asker, id);
  if (model) return model;
  throw unknownModel(directory, asker, id);
}
