import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { IncomingMessage } from 'node:http';
import type { Registry } from 'prom-client';
import type { Clock } from '../../core/clock.ts';
import { GatewayError } from '../../core/errors.ts';
import type { LeaseView, SupervisorSnapshot } from '../../link/snapshot.ts';
import type { WorkerDirectory } from '../../core/worker.ts';
import type { ReloadAnswer } from '../../config/reload.ts';
import type { CanaryAnswer } from '../../canary/canary.ts';
import { type CanaryOrder, readCanaryOrder } from '../../canary/order.ts';
import type { CanaryStatus } from '../../canary/status.ts';
import { readTrialOrder, type TrialOrder } from '../../config/trial.ts';
import { parseJsonBody } from '../../openai/json-body.ts';
import { readBody } from '../body/read-body.ts';
import type {
  AdminConfig,
  AdminKeys,
  AdminRuntime,
  AdminStatus,
  ModelTold,
  Reloaded,
  Stats,
  TrialTold,
  WorkerTold,
  WorkerVerb,
} from './admin-answers.ts';
import type { LeaseEnded, LeaseList, LeaseTold } from './admin-answers.ts';
import type { LeaseAsked } from '../../link/lease-path.ts';
import { readLeaseOrder } from './lease-order.ts';
import { leaseStatus } from './lease-status.ts';
import type { LiveStatus } from './live-status.ts';
import type { Sessions } from './sessions.ts';
import { nothingOfThatName } from './unknown-name.ts';
import { type UsageQuestion, usageQuestion, type UsageReport } from '../../usage/usage-report.ts';
import { givenKey, sameKey } from '../credentials.ts';
import type { Guesses } from '../guesses.ts';
import type { Door } from '../../keys/door.ts';
import type { HttpAnswer, HttpContext } from '../http-env.ts';
import { isOfAnotherSite } from '../origin.ts';

/** What came of a command to the supervisor. */
interface CommandAnswer {
  readonly kind: 'accepted' | 'unknown' | 'conflict' | 'failed';
  readonly message: string;
  /** Where it was about one. */
  readonly lease?: LeaseView;
}

/** More cannot be read in a page; "headgate key list" tells all. */
const MOST_KEYS = 1_000;

/** A trial names a few settings, and a canary a few criteria. */
const MOST_ORDER_BYTES = 65_536;

export interface AdminContext {
  readonly version: string;
  readonly clock: Clock;
  /** null: there is none. */
  readonly key: () => string | null;
  /** Of all processes, where several are one gateway; so are the next four. */
  readonly registry: () => Registry | Promise<Registry>;
  readonly stats: () => Stats | Promise<Stats>;
  readonly runtime: () => AdminRuntime | Promise<AdminRuntime>;
  /** The text of a bundle, as JSON. @throws bundle_too_soon */
  readonly bundle: () => Promise<string>;
  /** Who used what; null: nothing is taken down, since there are neither keys nor budgets. */
  readonly usage: (question: UsageQuestion) => Promise<UsageReport> | null;
  readonly keys: (most: number) => AdminKeys;
  readonly directory: WorkerDirectory;
  readonly snapshot: () => SupervisorSnapshot | null;
  readonly status: LiveStatus;
  /** The effective settings with their origins, secrets hidden. */
  readonly explain: () => AdminConfig;
  readonly reload: () => ReloadAnswer | Promise<ReloadAnswer>;
  /** Lays settings over those that hold, for a while. */
  readonly trial: (order: TrialOrder) => ReloadAnswer | Promise<ReloadAnswer>;
  /** Tries a group of workers with a share of the calls. */
  readonly canary: (order: CanaryOrder) => CanaryAnswer;
  readonly command: (worker: string, verb: WorkerVerb, reset: boolean) => Promise<CommandAnswer> | CommandAnswer;
  /** null: there is no supervisor to tell. */
  readonly modelCommand: ((model: string, verb: 'load' | 'unload') => Promise<CommandAnswer>) | null;
  /** Lends a card, or takes it back. null: the same. */
  readonly lease: ((order: LeaseAsked) => Promise<CommandAnswer>) | null;
}

/**
 * Lets a request to /admin or /debug in, or throws. Where it comes from proves nothing: a proxy on this machine passes on what a stranger
 * wants. `key` null: there is none that anybody could have. `sessions`: of those who have signed in in a browser.
 * @throws admin_only · invalid_api_key · conflicting_credentials · too_many_wrong_keys
 */
export async function checkAdmin(
  incoming: IncomingMessage,
  key: string | null,
  guesses: Guesses,
  door: Door,
  sessions: Pick<Sessions, 'holds'> | null = null,
): Promise<void> {
  const { headers, socket } = incoming;
  if (isOfAnotherSite(headers)) throw new GatewayError('admin_only', 'Pages of other sites may not use /admin and /debug.');
  if (key === null && !door.ring.hasAdmin)
    throw new GatewayError('admin_only', 'There is no admin key, so /admin and /debug are closed. The log of the gateway says why.');
  const given = givenKey(headers);
  if (given === null && sessions?.holds(incoming) === true) return;
  if (given === null) throw new GatewayError('invalid_api_key', NO_KEY);
  const address = socket.remoteAddress ?? '';
  guesses.check(address);
  // Whoever has the right one never waits, whatever others try meanwhile.
  if ((key !== null && sameKey(given, key)) || door.adminOf(given) !== null) return;
  await guesses.wrong(address, socket);
  throw new GatewayError('invalid_api_key', 'This is not the admin key.', { close: true });
}

const NO_KEY =
  'An admin key is required, as bearer token: what admin.key is set to, or else what stands in the file admin.key in supervisor.state_dir, or a key of auth.keys with admin: true.';

const NO_CARD =
  'There is no card of ours to lend: these workers were not launched by Headgate. Drain the worker instead ("headgate drain WORKER"), and stop it where it runs.';

/** A watcher says so in the query, or as a browser's EventSource does. */
function asksToWatch(c: HttpContext): boolean {
  if (c.req.method === 'HEAD') return false;
  const watch = c.req.query('watch');
  if (watch !== undefined) return watch !== '0' && watch !== 'false';
  return c.req.header('accept')?.includes('text/event-stream') === true;
}

const BUNDLE_HEADERS = { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' };

function answer<T extends object>(c: HttpContext, body: T, status: 200 | 202 = 200): Response {
  return c.json(body, status);
}

/** The operator's side of the gateway. */
export function admin(context: AdminContext) {
  const { directory, clock } = context;

  async function lease(c: HttpContext, order: LeaseAsked | string): Promise<Response> {
    if (typeof order === 'string') throw new GatewayError('invalid_value', `${order}.`, { code: 'invalid_lease' });
    if (!context.lease) throw new GatewayError('conflict', NO_CARD);
    const result = await context.lease(order);
    const told = accepted(result);
    if (!result.lease) return answer<LeaseEnded>(c, { accepted: true, told }, 202);
    const status = leaseStatus(result.lease, directory);
    return answer<LeaseTold>(c, { accepted: true, told, ...status }, status.state === 'lent' ? 200 : 202);
  }

  return {
    status: async (c) => {
      if (!asksToWatch(c)) return answer<AdminStatus>(c, await context.status.read());
      context.status.watch(c.env.outgoing);
      return RESPONSE_ALREADY_SENT;
    },
    config: (c) => answer<AdminConfig>(c, context.explain()),
    keys: (c) => answer<AdminKeys>(c, context.keys(MOST_KEYS)),
    usage: async (c) => {
      const report = await context.usage(usageQuestion(c.req.query(), clock.wall()));
      if (report === null) {
        throw new GatewayError(
          'conflict',
          'Nothing is taken down of who uses how much: that begins with the first key, or the first budget.',
        );
      }
      return answer<UsageReport>(c, report);
    },
    runtime: async (c) => answer<AdminRuntime>(c, await context.runtime()),
    reload: async (c) => {
      const { ok, changed, needsRestart, problems } = await context.reload();
      if (!ok) {
        const message = `The new settings are not valid; the old ones stay. ${problems.join('; ')}`;
        throw new GatewayError('invalid_value', message, { code: 'invalid_settings' });
      }
      return answer<Reloaded>(c, { reloaded: true, changed, needs_restart: needsRestart }, 202);
    },
    trial: async (c) => {
      const order = readTrialOrder(parseJsonBody(await readBody(c.env.incoming, MOST_ORDER_BYTES, clock)).value);
      if (typeof order === 'string') throw new GatewayError('invalid_value', `${order}.`, { code: 'invalid_trial' });
      const { ok, changed, problems } = await context.trial(order);
      if (!ok) throw new GatewayError('conflict', `These settings are not tried: ${problems.join('; ')}`, { code: 'trial_refused' });
      return answer<TrialTold>(c, { accepted: true, owner: order.owner, changed }, 202);
    },
    canary: (c) => answer<CanaryStatus>(c, statusAfter(context.canary({ action: 'status' }))),
    orderCanary: async (c) => {
      const order = readCanaryOrder(parseJsonBody(await readBody(c.env.incoming, MOST_ORDER_BYTES, clock)).value);
      if (typeof order === 'string') throw new GatewayError('invalid_value', `${order}.`, { code: 'invalid_canary' });
      return answer<CanaryStatus>(c, statusAfter(context.canary(order)), order.action === 'status' ? 200 : 202);
    },
    leases: (c) => {
      const leases = context.snapshot()?.leases ?? [];
      return answer<LeaseList>(c, { leases: leases.map((lease) => leaseStatus(lease, directory)) });
    },
    orderLease: async (c) => lease(c, readLeaseOrder(parseJsonBody(await readBody(c.env.incoming, MOST_ORDER_BYTES, clock)).value)),
    endLease: (c) => lease(c, readLeaseOrder({ ...c.req.query(), end: true })),
    workerCommand: async (c) => {
      const id = c.req.param('id') ?? '';
      const verb = c.req.param('verb');
      if (!isWorkerVerb(verb)) throw new GatewayError('unknown_url', 'A worker can be told to restart, to drain and to undrain.');
      const ids = directory.workers().map((worker) => worker.id);
      if (!ids.includes(id)) throw new GatewayError('not_found', nothingOfThatName('worker', id, ids));
      const message = accepted(await context.command(id, verb, c.req.query('reset') === 'true'));
      return answer<WorkerTold>(c, { accepted: true, worker: id, action: verb, message }, 202);
    },
    modelCommand: async (c) => {
      const model = directory.resolve(c.req.param('id') ?? '');
      const verb = c.req.param('verb');
      if (verb !== 'load' && verb !== 'unload') throw new GatewayError('unknown_url', 'A model can be told to load or to unload.');
      if (!model) {
        const names = directory.models().flatMap((known) => [known.id, ...known.aliases]);
        throw new GatewayError('not_found', nothingOfThatName('model', c.req.param('id') ?? '', names));
      }
      if (model.pool !== undefined) {
        const names = model.pool.map(shown).join(', ');
        throw new GatewayError('conflict', `${shown(model.id)} is a pool, of which no engine is: ${verb} a model in it (${names}).`);
      }
      if (!context.modelCommand) {
        if (verb === 'load' && model.state === 'ready') return answer(c, obeyed(model.id, verb, 'It is loaded.'), 202);
        throw new GatewayError(
          'conflict',
          `${shown(model.id)} is served by workers that were not launched by Headgate: it cannot ${verb} it.`,
        );
      }
      return answer(c, obeyed(model.id, verb, accepted(await context.modelCommand(model.id, verb))), 202);
    },
    bundle: async (c) => {
      // Whoever asks how long it is does not want it made.
      if (c.req.method === 'HEAD') return c.body(null, 200, BUNDLE_HEADERS);
      return c.body(await context.bundle(), 200, BUNDLE_HEADERS);
    },
  } satisfies Record<string, HttpAnswer>;
}

/** @throws conflict */
function statusAfter(answered: CanaryAnswer): CanaryStatus {
  if (answered.kind === 'conflict') throw new GatewayError('conflict', answered.message, { code: 'canary_refused' });
  return answered.status;
}

function obeyed(model: string, action: 'load' | 'unload', message: string): ModelTold {
  return { accepted: true, model, action, message };
}

/** The supervisor's words. @throws not_found · conflict · upstream_error */
function accepted({ kind, message }: CommandAnswer): string {
  if (kind === 'accepted') return message;
  if (kind === 'unknown') throw new GatewayError('not_found', message);
  if (kind === 'conflict') throw new GatewayError('conflict', message);
  throw new GatewayError('upstream_error', message);
}

function isWorkerVerb(verb: string | undefined): verb is WorkerVerb {
  return verb === 'restart' || verb === 'drain' || verb === 'undrain';
}

function shown(id: string): string {
  return id.slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?');
}
