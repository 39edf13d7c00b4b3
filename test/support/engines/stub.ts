import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { reset } from '../../../supervisor/sim/request/reset.ts';

/** An answer in an engine's own shape; a list: a stream, one chunk each. */
export interface StubAnswer {
  readonly status?: number;
  readonly type?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string | readonly string[];
  /** Between two chunks. */
  readonly gapMs?: number;
  /** The connection is cut after the last chunk. */
  readonly cut?: true;
  /** Nothing is said before this. */
  readonly afterMs?: number;
}

/** What the gateway asked, with its body. */
export interface StubRequest {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** What a kind of engine answers: GETs by path, POSTs by path, and anything else in the way its router does. */
export interface StubShapes {
  readonly kind: string;
  pages: Record<string, StubAnswer>;
  readonly calls: Readonly<Record<string, (request: StubRequest) => StubAnswer>>;
  readonly unknown: StubAnswer;
}

export interface Stub extends AsyncDisposable {
  readonly url: string;
  readonly shapes: StubShapes;
  readonly gets: string[];
  readonly posts: StubRequest[];
  /** What the next POSTs are answered, whatever they ask; null: as the engine does. */
  forced: StubAnswer | null;
  /** POSTs whose client has left before the end. */
  left: number;
  die(): Promise<void>;
}

/** A server on a free loopback port that answers in the shapes of an engine. */
export async function startStub(shapes: StubShapes): Promise<Stub> {
  const sockets = new Set<Socket>();
  const stub = { shapes, gets: [] as string[], posts: [] as StubRequest[], forced: null as StubAnswer | null, left: 0 };
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    if (request.method === 'GET') {
      stub.gets.push(path);
      return void say(response, shapes.pages[path] ?? shapes.unknown);
    }
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const asked = { path, headers: request.headers, body: Buffer.concat(pieces).toString('utf8') };
      stub.posts.push(asked);
      response.on('close', () => (stub.left += response.writableFinished ? 0 : 1));
      void say(response, stub.forced ?? shapes.calls[path]?.(asked) ?? shapes.unknown);
    });
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  async function die(): Promise<void> {
    for (const socket of sockets) reset(socket);
    await new Promise((resolve) => server.close(resolve));
  }
  return Object.assign(stub, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, die, [Symbol.asyncDispose]: die });
}

async function say(response: ServerResponse, answer: StubAnswer): Promise<void> {
  const { status = 200, body, gapMs = 0, headers = {} } = answer;
  const type = answer.type ?? (typeof body === 'string' ? 'application/json' : 'text/event-stream');
  if (answer.afterMs !== undefined) await pause(answer.afterMs);
  response.writeHead(status, { 'content-type': type, ...headers });
  if (typeof body === 'string') return void response.end(body);
  response.flushHeaders();
  for (const chunk of body) {
    if (response.destroyed) return;
    response.write(chunk);
    if (gapMs > 0) await pause(gapMs);
  }
  if (answer.cut) response.destroy();
  else response.end();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
