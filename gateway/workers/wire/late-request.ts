import type { Socket } from 'node:net';
import { type LateWriter, writeAtEndOfTurn } from '../../core/turn/late-writes.ts';

/** Bodies up to this size travel in one write with the head. */
const JOIN_BYTES = 65_536;

/** The request of a connection, until it is written at the end of the turn. */
export class LateRequest implements LateWriter {
  readonly #socket: Socket;
  readonly #onWritten: () => void;
  #head: string | null = null;
  #body: Buffer | null = null;

  constructor(socket: Socket, onWritten: () => void) {
    this.#socket = socket;
    this.#onWritten = onWritten;
  }

  /** Whether there is one that has not been written: the worker cannot know of it. */
  get isWaiting(): boolean {
    return this.#head !== null;
  }

  /** `head` ends with the empty line. */
  put(head: string, body: Buffer | null): void {
    this.#head = head;
    this.#body = body;
    writeAtEndOfTurn(this);
  }

  writeLate(): void {
    const socket = this.#socket;
    const head = this.#head;
    const body = this.#body;
    // Where the socket has been closed meanwhile it goes on waiting, so that it is known never to have been sent.
    if (head === null || !socket.writable) return;
    this.#head = null;
    this.#body = null;
    if (body === null) socket.write(head, 'latin1');
    else if (body.length <= JOIN_BYTES) {
      const joined = Buffer.allocUnsafe(head.length + body.length);
      joined.write(head, 0, 'latin1');
      body.copy(joined, head.length);
      socket.write(joined);
    } else {
      socket.cork();
      socket.write(head, 'latin1');
      socket.write(body);
      socket.uncork();
    }
    this.#onWritten();
  }
}
