import { once } from 'node:events';

/** Where lines go: standard output, no faster than it is read. */
export class Outlet {
  readonly #stream: NodeJS.WriteStream;
  readonly #over = new AbortController();
  #failure: NodeJS.ErrnoException | null = null;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    // Node's standard output forgets an error when it has told of it, and is never destroyed.
    stream.on('error', (error) => {
      this.#failure ??= error;
      this.#over.abort();
    });
  }

  /** Nothing can be written any more. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** Why nothing can be written; null where it can, or where its reader has seen enough. */
  get trouble(): string | null {
    const failure = this.#failure;
    return failure === null || failure.code === 'EPIPE' || failure.code === 'ECONNRESET' ? null : failure.message;
  }

  /** false: whoever read it is gone. */
  async write(text: string): Promise<boolean> {
    if (this.over.aborted) return false;
    const stream = this.#stream;
    if (text === '' || stream.write(text)) return true;
    const heard = new AbortController();
    const signal = AbortSignal.any([heard.signal, this.over]);
    // Each is heard once, and none of them is left to listen.
    await Promise.race(['drain', 'close'].map((event) => once(stream, event, { signal }).catch(() => {})));
    heard.abort();
    return !this.over.aborted;
  }
}
