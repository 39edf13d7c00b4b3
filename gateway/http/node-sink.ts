import type { ServerResponse } from 'node:http';
import type { Sink } from '../core/reply.ts';
import type { FrameBatch } from '../core/transport.ts';
import { dropIfStalled } from './stalled-client.ts';

/**
 * The client's side of a pushed body. Where the client speaks HTTP/1.1 and its answer is next in line, chunk frames go to its socket as
 * they came from the worker: Node's response would decode nothing but still encode them again. The response itself writes the head and the
 * last chunk, so that what it knows of the connection stays true.
 */
export class NodeSink implements Sink {
  readonly #response: ServerResponse;
  readonly #direct: boolean;

  /** The head of `response` has been written; `chunked`: with transfer-encoding: chunked. */
  constructor(response: ServerResponse, chunked: boolean) {
    this.#response = response;
    // No socket: an earlier answer of a pipelined connection is still being written.
    this.#direct = chunked && response.socket !== null;
    response.socket?.cork();
    response.flushHeaders();
    if (response.socket) process.nextTick(uncork, response.socket);
  }

  write(payload: Uint8Array): boolean {
    // An empty chunk would be the last.
    if (payload.length === 0) return true;
    if (!this.#direct) return this.#response.write(payload);
    const { socket } = this.#response;
    if (socket === null || socket.destroyed) return true;
    const size = Buffer.from(`${payload.length.toString(16)}\r\n`, 'latin1');
    return socket.write(Buffer.concat([size, payload, CRLF]));
  }

  writeFrames(batch: FrameBatch): boolean {
    if (this.#direct) {
      const { socket } = this.#response;
      return socket === null || socket.destroyed || socket.write(batch.bytes);
    }
    let more = true;
    for (let i = 0; i < batch.count; i++) more = this.#response.write(batch.bytes.subarray(batch.starts[i], batch.ends[i]));
    return more;
  }

  onDrain(listener: () => void): void {
    if (this.#direct) this.#response.socket?.once('drain', listener);
    else this.#response.once('drain', listener);
  }

  end(): void {
    this.#response.end();
    dropIfStalled(this.#response);
  }

  destroy(): void {
    this.#response.destroy();
  }
}

const CRLF = Buffer.from('\r\n');

function uncork(socket: { uncork(): void }): void {
  socket.uncork();
}
