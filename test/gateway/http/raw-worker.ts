import * as net from 'node:net';

/** What a worker says to a POST, byte by byte. */
export type Say = (socket: net.Socket, request: { path: string; head: string; body: string }) => void;

export interface RawWorker extends AsyncDisposable {
  readonly url: string;
  say: Say;
  /** POSTs so far. */
  readonly posts: () => number;
}

/** A worker that is well in every respect but its answers to POSTs, which are not made by any HTTP library. */
export async function startRawWorker(): Promise<RawWorker> {
  const sockets = new Set<net.Socket>();
  let posts = 0;
  const worker = { say: (() => {}) as Say };
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let held = '';
    socket.on('data', (read: Buffer) => {
      held += read.toString('latin1');
      for (;;) {
        const end = held.indexOf('\r\n\r\n');
        if (end < 0) return;
        const head = held.slice(0, end);
        const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
        if (held.length < end + 4 + length) return;
        const body = held.slice(end + 4, end + 4 + length);
        held = held.slice(end + 4 + length);
        const [method, path = ''] = head.split(' ');
        if (method === 'GET') socket.write(whole(JSON.stringify({ object: 'list', data: [{ id: 'm', object: 'model' }] })));
        else {
          posts++;
          worker.say(socket, { path, head, body });
        }
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(worker, {
    url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    posts: () => posts,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** A sound answer. */
export function whole(body: string, headers = 'content-type: application/json'): Buffer {
  const bytes = Buffer.from(body);
  return Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\n${headers}\r\ncontent-length: ${bytes.length}\r\n\r\n`, 'latin1'), bytes]);
}

export const STREAM_HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n';
export const LAST_CHUNK = '0\r\n\r\n';

export function chunk(payload: string | Buffer): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}
