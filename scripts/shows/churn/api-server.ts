import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type Cluster, NAMESPACE, type SliceObject, type WatchEvent } from './cluster.ts';
import { fits } from './selector.ts';

/** What it does wrong, from now on or the next time. */
export interface Faults {
  /** Answers to the next questions of that verb, before it answers as it should. */
  readonly next: { verb: 'list' | 'watch'; status: number; body?: string; retryAfter?: string }[];
  /** The only token that is taken; null: none is asked for. */
  token: string | null;
  /** Watches hear nothing, and their connections stay open; those that missed something meanwhile stay silent for ever. */
  silent: boolean;
  /** Events go out in pairs, the later first; one that has no other by the next bookmark goes out alone. */
  swapped: boolean;
  /** Deletions are not told. */
  losesDeletions: boolean;
}

interface Watch {
  readonly response: ServerResponse;
  readonly selector: string;
  /** Names of slices that this watch has been told of, or that its list had. */
  readonly known: Set<string>;
  held: string | null;
  /** It was silent while something happened: its connection is dead, and nothing comes through any more. */
  isDead: boolean;
}

const PATH = `/apis/discovery.k8s.io/v1/namespaces/${NAMESPACE}/endpointslices`;

/** Answers as an API server does, in what a client of EndpointSlices asks, and fails as one does. */
export class ApiServer implements AsyncDisposable {
  readonly faults: Faults = { next: [], token: null, silent: false, swapped: false, losesDeletions: false };
  /** What it was asked, newest last. */
  readonly asked: { readonly verb: 'list' | 'watch'; readonly query: URLSearchParams }[] = [];
  readonly #cluster: Cluster;
  readonly #watches = new Set<Watch>();
  readonly #sockets = new Set<Socket>();
  #server: Server | null = null;
  #port = 0;

  private constructor(cluster: Cluster) {
    this.#cluster = cluster;
    cluster.watch((event) => this.#tell(event));
  }

  static async start(cluster: Cluster): Promise<ApiServer> {
    const server = new ApiServer(cluster);
    await server.up();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get watches(): number {
    return this.#watches.size;
  }

  /** Listens, on the port that it had. */
  async up(): Promise<void> {
    if (this.#server) return;
    const server = createServer((request, response) => this.#answer(request, response));
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** Is gone, with all its connections. */
  async down(): Promise<void> {
    const server = this.#server;
    if (!server) return;
    this.#server = null;
    this.#watches.clear();
    for (const socket of this.#sockets) socket.resetAndDestroy();
    await new Promise((resolve) => server.close(resolve));
  }

  /** Ends all watches: in good order, without a word, or in the middle of a line. */
  end(how: 'well' | 'cut' | 'mid-line'): void {
    for (const watch of this.#watches) {
      if (how === 'mid-line') watch.response.write('{"type":"MODIFIED","object":{"kind":"EndpointSl');
      if (how === 'well') watch.response.end();
      else setImmediate(() => watch.response.socket?.resetAndDestroy());
    }
    this.#watches.clear();
  }

  /** Says something in all watches that no API server says. */
  say(line: string): void {
    for (const { response } of this.#watches) response.write(line);
  }

  /** Says how far all has been told: nothing of before that is held back. */
  bookmark(): void {
    if (this.faults.silent) return;
    const object = {
      kind: 'EndpointSlice',
      apiVersion: 'discovery.k8s.io/v1',
      metadata: { resourceVersion: String(this.#cluster.version) },
    };
    const line = `${JSON.stringify({ type: 'BOOKMARK', object })}\n`;
    for (const watch of this.#watches) {
      if (watch.isDead) continue;
      watch.response.write((watch.held ?? '') + line);
      watch.held = null;
    }
  }

  /** As it ends a watch whose version is forgotten. */
  expire(): void {
    this.say(`${JSON.stringify({ type: 'ERROR', object: statusOf(410, 'Expired', 'too old resource version') })}\n`);
    this.end('well');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.down();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://api');
    if (url.pathname !== PATH) return other(url.pathname, response);
    const verb = isTrue(url.searchParams.get('watch')) ? 'watch' : 'list';
    this.asked.push({ verb, query: url.searchParams });
    const { token, next } = this.faults;
    if (token !== null && request.headers.authorization !== `Bearer ${token}`) return refuse(response, 401, 'Unauthorized');
    const at = next.findIndex((each) => each.verb === verb);
    if (at >= 0) {
      const [{ status, body, retryAfter } = { status: 500 }] = next.splice(at, 1);
      const headers = { 'content-type': 'application/json', ...(retryAfter === undefined ? {} : { 'retry-after': retryAfter }) };
      return void response.writeHead(status, headers).end(body ?? JSON.stringify(statusOf(status, 'Failure', 'as was asked for')));
    }
    if (verb === 'list') this.#list(url.searchParams, response);
    else this.#watch(url.searchParams, response);
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    const items = this.#cluster.all().filter((slice) => isPicked(slice, query.get('labelSelector') ?? ''));
    const metadata = { resourceVersion: String(this.#cluster.version) };
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ kind: 'EndpointSliceList', apiVersion: 'discovery.k8s.io/v1', metadata, items }));
  }

  #watch(query: URLSearchParams, response: ServerResponse): void {
    const version = Number(query.get('resourceVersion') ?? 0);
    const selector = query.get('labelSelector') ?? '';
    if (version > this.#cluster.version) {
      // The text of kube-apiserver 1.33, which answers so where it lags behind the one that was asked first.
      const message = `Timeout: Too large resource version: ${version}, current: ${this.#cluster.version}`;
      const body = {
        ...statusOf(504, 'Timeout', message),
        details: { causes: [{ reason: 'ResourceVersionTooLarge' }], retryAfterSeconds: 1 },
      };
      return void response.writeHead(504, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    }
    const missed = version === 0 ? [] : this.#cluster.since(version);
    response.writeHead(200, { 'content-type': 'application/json', 'transfer-encoding': 'chunked' });
    response.flushHeaders();
    if (missed === null) {
      const error = { type: 'ERROR', object: statusOf(410, 'Expired', `too old resource version: ${version}`) };
      return void response.end(`${JSON.stringify(error)}\n`);
    }
    const known = new Set(
      this.#cluster
        .all()
        .filter((slice) => isPicked(slice, selector))
        .map(nameOf),
    );
    for (const { object } of missed) known.add(nameOf(object));
    const watch: Watch = { response, selector, known, held: null, isDead: false };
    this.#watches.add(watch);
    response.on('close', () => this.#watches.delete(watch));
    for (const event of missed) this.#tellOne(watch, event);
    // What is served from memory is told first.
    if (version === 0) for (const object of this.#cluster.all()) this.#tellOne(watch, { type: 'ADDED', version: 0, object });
  }

  #tell(event: WatchEvent): void {
    for (const watch of this.#watches) {
      watch.isDead ||= this.faults.silent;
      if (!watch.isDead) this.#tellOne(watch, event);
    }
  }

  /** A slice that a selector does not pick any more is, for this watch, deleted. */
  #tellOne(watch: Watch, { type, object }: WatchEvent): void {
    const name = nameOf(object);
    const picked = type !== 'DELETED' && isPicked(object, watch.selector);
    const isKnown = watch.known.has(name);
    if (!picked && !isKnown) return;
    if (picked) watch.known.add(name);
    else watch.known.delete(name);
    if (!picked && this.faults.losesDeletions) return;
    const line = `${JSON.stringify({ type: picked ? (isKnown ? 'MODIFIED' : 'ADDED') : 'DELETED', object })}\n`;
    if (this.faults.swapped && watch.held === null) {
      watch.held = line;
      return;
    }
    watch.response.write(watch.held === null ? line : line + watch.held);
    watch.held = null;
  }
}

function isPicked({ metadata }: SliceObject, selector: string): boolean {
  return fits(metadata?.labels ?? {}, selector);
}

function nameOf({ metadata }: SliceObject): string {
  return metadata?.name ?? '';
}

function isTrue(text: string | null): boolean {
  return text === 'true' || text === '1';
}

function statusOf(code: number, reason: string, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code };
}

function refuse(response: ServerResponse, status: number, reason: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(statusOf(status, reason, reason)));
}

/** What kubectl asks before it asks for anything. */
function other(path: string, response: ServerResponse): void {
  const slices = {
    name: 'endpointslices',
    singularName: 'endpointslice',
    namespaced: true,
    kind: 'EndpointSlice',
    verbs: ['get', 'list', 'watch'],
  };
  const version = { groupVersion: 'discovery.k8s.io/v1', version: 'v1' };
  const pages: Readonly<Record<string, object>> = {
    '/api': { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] },
    '/apis': {
      kind: 'APIGroupList',
      apiVersion: 'v1',
      groups: [{ name: 'discovery.k8s.io', versions: [version], preferredVersion: version }],
    },
    '/api/v1': { kind: 'APIResourceList', groupVersion: 'v1', resources: [] },
    '/apis/discovery.k8s.io/v1': { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: 'discovery.k8s.io/v1', resources: [slices] },
  };
  const page = pages[path];
  if (!page) return refuse(response, 404, 'NotFound');
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(page));
}
