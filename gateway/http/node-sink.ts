import type { ServerResponse } from 'node:http';
import type { Sink } from '../core/reply.ts';
import type { FrameBatch } from '../core/transport.ts';
import { type LateWriter, writeAtEndOfTurn } from '../core/turn/late-writes.ts';
import { dropIfStalled } from './stalled-client.ts';

/** More than this is written before the turn has ended. */
const MOST_HELD_BYTES = 16_384;
const CRLF = Buffer.from('\r\n');

/**
 * The client's side of a pushed body. Where the client speaks HTTP/1.1 and its answer is next in line, chunk frames go to its socket as
 * they came from the worker: Node's response would decode nothing but still encode them again. The response itself writes the head and the
 * last chunk, so that what it knows of the connection stays true.
 *
 * What comes in one turn of the event loop is written at its end.
 */
export class NodeSink implements Sink, LateWriter {
  readonly #response: ServerResponse;
  readonly #direct: boolean;
  /** Whole chunks for the socket, and how many bytes they are. */
  #held: Buffer[] = [];
  #heldBytes = 0;
  /** Whether it waits for the end of the turn. */
  #isDue = false;
  /** The head is to leave with the first chunk. */
  #isCorked = false;

  /** The head of `response` has been written; `chunked`: with transfer-encoding: chunked. */
  constructor(response: ServerResponse, chunked: boolean) {
    this.#response = response;
    const { socket } = response;
    // No socket: an earlier answer of a pipelined connection is still being written.
    this.#direct = chunked && socket !== null;
    socket?.cork();
    response.flushHeaders();
    if (this.#direct) {
      this.#isCorked = true;
      this.#atEndOfTurn();
    } else if (socket) process.nextTick(uncork, socket);
  }

  write(payload: Uint8Array): boolean {
    // An empty chunk would be the last.
    if (payload.length === 0) return true;
    if (!this.#direct) return this.#response.write(payload);
    const size = Buffer.from(`${payload.length.toString(16)}\r\n`, 'latin1');
    return this.#hold(Buffer.concat([size, payload, CRLF]));
  }

  writeFrames(batch: FrameBatch): boolean {
    if (this.#direct) return this.#hold(batch.bytes);
    let more = true;
    for (let i = 0; i < batch.count; i++) more = this.#response.write(batch.bytes.subarray(batch.starts[i], batch.ends[i]));
    return more;
  }

  onDrain(listener: () => void): void {
    if (this.#direct) this.#response.socket?.once('drain', listener);
    else this.#response.once('drain', listener);
  }

  end(): void {
    // One write with the last chunk: the response uncorks.
    if (this.#heldBytes > 0) this.#response.socket?.cork();
    this.#writeHeld();
    this.#isCorked = false;
    this.#response.end();
    dropIfStalled(this.#response);
  }

  destroy(): void {
    this.writeLate();
    this.#response.destroy();
  }

  /** Writes what is held, and the head with it. */
  writeLate(): void {
    this.#isDue = false;
    this.#writeHeld();
    if (!this.#isCorked) return;
    this.#isCorked = false;
    this.#response.socket?.uncork();
  }

  #hold(chunks: Buffer): boolean {
    const { socket } = this.#response;
    if (socket === null || socket.destroyed) return true;
    this.#held.push(chunks);
    this.#heldBytes += chunks.length;
    if (this.#heldBytes > MOST_HELD_BYTES) this.writeLate();
    else if (!this.#isDue) this.#atEndOfTurn();
    return !socket.writableNeedDrain;
  }

  #atEndOfTurn(): void {
    this.#isDue = true;
    writeAtEndOfTurn(this);
  }

  #writeHeld(): void {
    if (this.#heldBytes === 0) return;
    const held = this.#held;
    const { socket } = this.#response;
    if (socket !== null && !socket.destroyed) socket.write(held.length === 1 ? held[0]! : Buffer.concat(held, this.#heldBytes));
    held.length = 0;
    this.#heldBytes = 0;
  }
}

function uncork(socket: { uncork(): void }): void {
  socket.uncork();
}
