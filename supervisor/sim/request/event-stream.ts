import type { ServerResponse } from 'node:http';

/**
 * A stream of server-sent events, one HTTP chunk an event, any number of events in one write.
 *
 * The chunks are framed here and put on the socket directly: with a few hundred streams that each get a token every 20 ms,
 * going through the response object for every event costs several times as much.
 */
export class EventStream {
  readonly #response: ServerResponse;
  #frames = '';
  #events: string[] = [];
  #blocked = false;
  /** Called when a reader that was too slow has caught up. */
  onDrain: (() => void) | null = null;

  constructor(response: ServerResponse) {
    this.#response = response;
    response.flushHeaders();
  }

  /** The reader is slower than the engine: what comes now is better kept, and sent in one event. */
  get blocked(): boolean {
    return this.#blocked;
  }

  /** Adds one event to the next write: its whole text, `data: …\n\n`. */
  event(text: string): void {
    // Before its turn on a pipelined connection a response has no socket.
    if (this.#response.socket === null) this.#events.push(text);
    else this.#frames += `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;
  }

  /** Writes what was added. */
  flush(): void {
    for (const text of this.#events) this.#response.write(text);
    this.#events = [];
    const { socket } = this.#response;
    if (this.#frames === '' || socket === null) return;
    const room = socket.write(this.#frames);
    this.#frames = '';
    if (room || this.#blocked || socket.destroyed) return;
    this.#blocked = true;
    socket.once('drain', () => {
      this.#blocked = false;
      this.onDrain?.();
    });
  }

  end(): void {
    this.flush();
    this.#response.end();
  }
}
