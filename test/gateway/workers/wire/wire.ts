import * as net from 'node:net';
import { afterEach } from 'vitest';
import type { UpstreamRequest, WorkerTransport } from '../../../../gateway/core/transport.ts';
import { createTransport, type TransportOptions } from '../../../../gateway/workers/wire/transport.ts';
import { createFakeClock, type FakeClock } from '../../../support/fake-clock.ts';
import { whole } from '../../http/raw-worker.ts';
import { Heard, type Spoken } from './heard.ts';

/** What a server does with each whole request on a connection. */
type Serve = (socket: net.Socket, request: string, count: number) => void;

/** A transport, the server it leads to, and the time between them. */
export interface Wire {
  readonly port: number;
  readonly transport: WorkerTransport;
  readonly clock: FakeClock;
  serve: Serve;
  /** Connections accepted so far. */
  readonly accepted: () => number;
  readonly sockets: ReadonlySet<net.Socket>;
  readonly requests: string[];
}

/** Done after the test, in order. */
export const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

export async function wire(options: Partial<TransportOptions> = {}): Promise<Wire> {
  const sockets = new Set<net.Socket>();
  const requests: string[] = [];
  let accepted = 0;
  const state = { serve: ((socket) => void socket.write(whole('{}'))) as Serve };
  const server = net.createServer((socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    let held = '';
    let count = 0;
    socket.on('data', (read: Buffer) => {
      held += read.toString('latin1');
      for (;;) {
        const end = held.indexOf('\r\n\r\n');
        const length = Number(/\r\ncontent-length: (\d+)/i.exec(held.slice(0, end))?.[1] ?? 0);
        if (end < 0 || held.length < end + 4 + length) return;
        const request = held.slice(0, end + 4 + length);
        held = held.slice(request.length);
        requests.push(request);
        state.serve(socket, request, ++count);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const clock = createFakeClock();
  const { port } = server.address() as net.AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const transport = createTransport({ url, apiKey: null, clock, connectMs: () => 3_000, proofs: 0, ...options });
  cleanups.push(async () => {
    await transport.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return Object.assign(state, { port, transport, clock, accepted: () => accepted, sockets, requests });
}

export const POST: UpstreamRequest = {
  method: 'POST',
  path: '/v1/x',
  headers: { 'content-type': 'application/json' },
  body: { bytes: Buffer.from('{"a":1}') },
};

export function speak({ transport }: Wire, request: UpstreamRequest = POST): Spoken {
  const heard = new Heard();
  return { heard, exchange: transport.exchange(request, heard) };
}

/** An exchange that is over, and whose connection has rested. */
export async function spoken(each: Wire, request: UpstreamRequest = POST): Promise<Heard> {
  const { heard } = speak(each, request);
  await heard.over;
  await rested();
  return heard;
}

/** A connection is used again when its socket has been read once more after the answer. */
export async function rested(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}
