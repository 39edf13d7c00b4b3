import { chmodSync, existsSync, lstatSync, mkdirSync, rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { isAnswered } from '../../gateway/link/ask-state.ts';
import { controlTarget, isControlUrl } from '../../gateway/link/control-path.ts';
import type { Clock } from '../../gateway/core/clock.ts';
import { repeat } from '../../gateway/core/clock.ts';
import type { SupervisorSnapshot } from '../../gateway/link/snapshot.ts';
import type { WishResult } from '../slot/wish-result.ts';
import type { LeaseAsked, LeaseResult } from '../lease/asked.ts';
import { leaseAsked } from './lease-query.ts';

// An import of it would load Node's own fetch as well, unused, in 40 ms of CPU time: as long as all the rest of a small program.
const { createServer } = process.getBuiltinModule('node:http');

/** What the control API shows and does. */
export interface Controlled {
  snapshot(): SupervisorSnapshot;
  onChange(listener: () => void): () => void;
  /** `reset`: with what its profile asks for, whatever was relaxed. */
  restart(id: string, reset: boolean): WishResult;
  drain(id: string): WishResult;
  undrain(id: string): WishResult;
  load(model: string): WishResult;
  /** `waiting` calls wait for it. */
  wish(model: string, waiting: number): WishResult;
  unload(model: string): WishResult;
  lease(asked: LeaseAsked): LeaseResult;
  /** `id`: only of this lease; null: whoever has it. */
  giveBack(gpu: string | null, id: string | null): WishResult;
  /** Begins to stop everything; does not wait. `leave`: the engines go on, for the next supervisor to take over. */
  stop(leave: boolean): WishResult;
  /**
   * The same, only where whoever started the supervisor is gone, or asks for it, and no other gateway follows it. `followers`: the
   * processes of those that do; `by`: the process that asks.
   */
  stopIfLeft(followers: readonly string[], by: string | null): WishResult;
}

interface ControlServer {
  close(): Promise<void>;
}

/** Somebody else listens there already. */
export class ControlTaken extends Error {
  override readonly name = 'ControlTaken';
}

const SIGN_OF_LIFE_MS = 5000;
/** The same while anything is being loaded: people look at how far it has come. */
const PROGRESS_MS = 1000;
/** How often it is looked whether the socket is still there. */
const LOOK_MS = 2000;

/**
 * Serves the control API (see gateway/link/snapshot.ts) at `path`, a socket only this user may open, or an http URL on loopback.
 * A socket that a dead supervisor left behind is replaced; one that is taken away while it serves is made anew, which `onAnew` is told.
 * @throws ControlTaken when a live supervisor answers there
 */
export async function serveControl(path: string, controlled: Controlled, clock: Clock, onAnew?: () => void): Promise<ControlServer> {
  if (await isAnswered(path)) throw new ControlTaken(`another supervisor answers on ${path}`);
  const followers = new Followers();
  const servers: Server[] = [];
  async function serve(): Promise<void> {
    const server = createServer((incoming, answer) => route(incoming, answer, controlled, clock, followers));
    if (isControlUrl(path)) await listen(server, controlTarget(path));
    else await listenPrivately(server, path);
    servers.push(server);
  }
  await serve();
  let making: Promise<void> = Promise.resolve();
  const watch = repeat(clock, LOOK_MS, () => {
    if (isControlUrl(path) || existsSync(path)) return;
    // Whoever is connected stays so. Where it cannot be made, the next look tries again.
    making = serve().then(onAnew, () => undefined);
    return making;
  });
  return {
    async close() {
      watch.cancel();
      await making;
      await Promise.all(servers.map(close));
    },
  };
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    // Watches never end by themselves.
    server.closeAllConnections();
    server.close(() => resolve());
  });
}

async function listenPrivately(server: Server, path: string): Promise<void> {
  preparePrivateFolder(dirname(path));
  rmSync(path, { force: true });
  await listen(server, { path });
  chmodSync(path, 0o600);
}

function listen(server: Server, where: { path: string } | ReturnType<typeof controlTarget>): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new ControlTaken('the address of the control API is in use') : error),
    );
    server.listen(where, resolve);
  });
}

/** In a folder that others can write to, or made beforehand where everybody may make one, the socket could be somebody else's. */
function preparePrivateFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  const amongStrangers = isOpenToAll(lstatSync(dirname(folder)).mode) && process.getuid !== undefined && uid !== process.getuid();
  if (amongStrangers || isOpenToAll(mode))
    throw new Error(`${folder} belongs to another user or can be changed by one, so the control socket cannot lie there`);
}

function isOpenToAll(mode: number): boolean {
  return (mode & 0o002) !== 0;
}

/** Gateways that watch, by their process, each as often as it does. */
class Followers {
  readonly #pids: string[] = [];

  add(pid: string, answer: ServerResponse): void {
    this.#pids.push(pid);
    answer.once('close', () => this.#pids.splice(this.#pids.indexOf(pid), 1));
  }

  but(pid: string | null): readonly string[] {
    return [...new Set(this.#pids)].filter((other) => other !== pid);
  }
}

function route(incoming: IncomingMessage, answer: ServerResponse, controlled: Controlled, clock: Clock, followers: Followers): void {
  incoming.resume();
  if (!isLocalCaller(incoming)) return send(answer, 403, { error: { message: 'The control API is not for browsers.' } });
  const [path = '', query] = (incoming.url ?? '').split('?');
  const method = incoming.method ?? '';
  if (path === '/v1/state') return method === 'GET' ? send(answer, 200, controlled.snapshot()) : wrongMethod(answer, 'GET');
  const asked = new URLSearchParams(query);
  const by = asked.get('by');
  if (path === '/v1/watch') {
    if (method !== 'GET') return wrongMethod(answer, 'GET');
    if (by !== null) followers.add(by, answer);
    return watch(answer, controlled, clock);
  }
  if (path === '/v1/stop') {
    if (method !== 'POST') return wrongMethod(answer, 'POST');
    return tell(
      answer,
      asked.get('if') === 'left' ? controlled.stopIfLeft(followers.but(by), by) : controlled.stop(asked.get('leave') === 'engines'),
    );
  }
  if (path === '/v1/gpus/lease' || path === '/v1/gpus/back') {
    if (method !== 'POST') return wrongMethod(answer, 'POST');
    if (path === '/v1/gpus/back') return tell(answer, controlled.giveBack(asked.get('gpu'), asked.get('id')));
    const wanted = leaseAsked(asked);
    return wanted === null ? send(answer, 400, { error: { message: 'That is no lease.' } }) : tell(answer, controlled.lease(wanted));
  }
  const command = /^\/v1\/(workers\/[^/]+\/(?:restart|drain|undrain)|models\/[^/]+\/(?:load|unload))$/.exec(path)?.[1];
  const [, name = '', verb] = command?.split('/') ?? [];
  const id = decode(name);
  if (command === undefined || id === null) return send(answer, 404, { error: { message: `There is no ${path}.` } });
  if (method !== 'POST') return wrongMethod(answer, 'POST');
  if (verb === 'load') return tell(answer, load(controlled, id, asked.get('waiting')));
  if (verb === 'unload') return tell(answer, controlled.unload(id));
  if (verb === 'drain') return tell(answer, controlled.drain(id));
  if (verb === 'undrain') return tell(answer, controlled.undrain(id));
  return tell(answer, controlled.restart(id, asked.get('reset') === 'true'));
}

function load(controlled: Controlled, model: string, waiting: string | null): WishResult {
  return waiting === null ? controlled.load(model) : controlled.wish(model, Math.max(0, Math.trunc(Number(waiting)) || 0));
}

/** A page in a browser can send requests to loopback, but it names its origin, and a name that was made to point here in Host. */
function isLocalCaller({ headers }: IncomingMessage): boolean {
  const host = (headers.host ?? '').replace(/:\d+$/, '');
  return headers.origin === undefined && ['', 'localhost', '127.0.0.1', '[::1]'].includes(host);
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function tell(answer: ServerResponse, result: WishResult | LeaseResult): void {
  switch (result.kind) {
    case 'accepted':
      return send(answer, 202, { message: result.will, ...('lease' in result ? { lease: result.lease } : {}) });
    case 'unknown':
      return send(answer, 404, { error: { message: result.reason } });
    case 'conflict':
      return send(answer, 409, { error: { message: result.reason } });
  }
}

function wrongMethod(answer: ServerResponse, allow: string): void {
  answer.setHeader('allow', allow);
  send(answer, 405, { error: { message: `Use ${allow}.` } });
}

function send(answer: ServerResponse, status: number, body: unknown): void {
  answer.writeHead(status, { 'content-type': 'application/json' });
  answer.end(JSON.stringify(body));
}

/** A snapshot a line. Each is the whole picture, so one that a slow reader cannot take yet is left out and not kept. */
function watch(answer: ServerResponse, controlled: Controlled, clock: Clock): void {
  answer.writeHead(200, { 'content-type': 'application/x-ndjson' });
  let missed = false;
  let isLoading = false;
  function write(): void {
    if (answer.writableNeedDrain) {
      missed = true;
      return;
    }
    missed = false;
    const snapshot = controlled.snapshot();
    isLoading = (snapshot.swaps ?? []).length > 0 || snapshot.workers.some(({ etaSeconds }) => etaSeconds !== null);
    answer.write(`${JSON.stringify(snapshot)}\n`);
  }
  answer.on('drain', () => {
    if (missed) write();
  });
  const off = controlled.onChange(write);
  const timer = repeat(clock, () => (isLoading ? PROGRESS_MS : SIGN_OF_LIFE_MS), write);
  answer.once('close', () => {
    off();
    timer.cancel();
  });
  write();
}
