import { connect, type Socket } from 'node:net';

/** Connections that are no calls: clients that say nothing, or hardly anything. */
export class OddClients {
  readonly #sockets = new Set<Socket>();
  readonly #timers = new Set<NodeJS.Timeout>();
  /** How many of them the gateway has closed. */
  closed = 0;
  /** How many of them it has accepted. */
  opened = 0;

  /** So many connections without a word. Resolves with what ends them when they are there, or have been refused. */
  async idle(port: number, count: number): Promise<() => void> {
    const sockets = await Promise.all(Array.from({ length: count }, () => this.#open(port)));
    return () => sockets.forEach((socket) => this.#drop(socket));
  }

  /** So many requests whose head comes a byte at a time. */
  async slowHeads(port: number, count: number, everyMs = 200): Promise<void> {
    const sockets = await Promise.all(Array.from({ length: count }, () => this.#open(port)));
    for (const socket of sockets) {
      socket.write('POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n');
      this.#every(everyMs, () => socket.writable && socket.write('x'));
    }
  }

  /** So many requests whose body comes a byte at a time. */
  async slowBodies(port: number, count: number, everyMs = 200): Promise<void> {
    const sockets = await Promise.all(Array.from({ length: count }, () => this.#open(port)));
    const head = 'POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 5000\r\n\r\n{';
    for (const socket of sockets) {
      socket.write(head);
      this.#every(everyMs, () => socket.writable && socket.write(' '));
    }
  }

  /** Writes what is no request, on so many connections. */
  async garbage(port: number, count: number, bytes: Buffer): Promise<void> {
    const sockets = await Promise.all(Array.from({ length: count }, () => this.#open(port)));
    for (const socket of sockets) socket.write(bytes);
  }

  end(): void {
    for (const timer of this.#timers) clearInterval(timer);
    for (const socket of [...this.#sockets]) this.#drop(socket);
  }

  /** We have had enough of it; it is not the gateway that closes it. */
  #drop(socket: Socket): void {
    this.#sockets.delete(socket);
    socket.destroy();
  }

  #every(ms: number, what: () => unknown): void {
    this.#timers.add(setInterval(what, ms));
  }

  #open(port: number): Promise<Socket> {
    return new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      this.#sockets.add(socket);
      socket.on('error', () => {}).resume();
      socket.once('connect', () => {
        this.opened++;
        resolve(socket);
      });
      socket.once('close', () => {
        if (this.#sockets.delete(socket)) this.closed++;
        resolve(socket);
      });
    });
  }
}
