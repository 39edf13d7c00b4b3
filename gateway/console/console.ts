import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { GatewayError } from '../core/errors.ts';
import type { WorkerDirectory } from '../core/worker.ts';
import { givenKey } from '../http/credentials.ts';
import type { HttpAnswer, HttpContext } from '../http/http-env.ts';
import type { Sessions } from '../http/pages/sessions.ts';
import { type Asset, consoleAssets } from './assets.ts';
import type { Feed } from './feed.ts';
import { logTail } from './log-tail.ts';

export interface ConsoleContext {
  readonly feed: Feed;
  readonly sessions: Sessions;
  readonly directory: Pick<WorkerDirectory, 'workers'>;
}

const YEAR = 'public, max-age=31536000, immutable';

/** What a browser is sent of the console, and what it asks for that nobody else does. */
export function consolePages({ feed, sessions, directory }: ConsoleContext) {
  return {
    page: async (c) => {
      const { page, policy } = await consoleAssets();
      c.header('content-security-policy', policy);
      c.header('referrer-policy', 'no-referrer');
      c.header('cross-origin-opener-policy', 'same-origin');
      // A page that was kept would not know that somebody has signed in since.
      return sent(c, sessions.holds(c.env.incoming) ? page.open : page.shut, 'no-store');
    },
    file: async (c) => {
      const asset = (await consoleAssets()).files.get(c.req.path);
      if (!asset) throw new GatewayError('unknown_url', 'The console has changed: load its page again.');
      return sent(c, asset, YEAR);
    },
    /** For whoever has shown a key that opens /admin. */
    signIn: (c) => {
      const given = givenKey(c.env.incoming.headers);
      const cookie = given === null ? null : sessions.open(given, c.env.incoming);
      if (cookie === null) throw new GatewayError('admin_only', 'There is no admin key to sign with. The log of the gateway says why.');
      c.header('set-cookie', cookie);
      return c.body(null, 204);
    },
    signOut: (c) => {
      c.header('set-cookie', sessions.close(c.env.incoming));
      return c.body(null, 204);
    },
    events: (c) => {
      if (c.req.method === 'HEAD') return c.body(null, 200, { 'content-type': 'text/event-stream; charset=utf-8' });
      feed.look(c.env.outgoing);
      return RESPONSE_ALREADY_SENT;
    },
    workerLog: async (c) => {
      const id = c.req.param('id') ?? '';
      const worker = directory.workers().find((one) => one.id === id);
      if (!worker) throw new GatewayError('not_found', 'There is no worker of that name.');
      const { logFile } = worker.view;
      return c.json({ worker: id, file: logFile ?? null, lines: logFile == null ? [] : await logTail(logFile) });
    },
  } satisfies Record<string, HttpAnswer>;
}

function sent(c: HttpContext, { type, bytes, packed }: Asset, keep: string): Response {
  c.header('content-type', type);
  c.header('cache-control', keep);
  c.header('vary', 'accept-encoding');
  c.header('x-content-type-options', 'nosniff');
  const taken = (c.req.header('accept-encoding') ?? '').split(',').map((word) => word.trim());
  const way = (['br', 'gzip'] as const).find((one) => taken.includes(one));
  if (way !== undefined) c.header('content-encoding', way);
  return c.body(new Uint8Array(way === undefined ? bytes : packed[way]));
}
