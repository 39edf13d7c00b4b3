import { once } from 'node:events';

/** Where lines go: standard output, no faster than it is read. */
export class Outlet {
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** false: whoever read it is gone. */
  async write(text: string): Promise<boolean> {
    const stream = this.#stream;
    if (stream.errored || stream.destroyed) return false;
    if (text === '' || stream.write(text)) return true;
    const over = new AbortController();
    const { signal } = over;
    // Each is heard once, and none of them is left to listen.
    const heard = ['drain', 'close'].map((event) => once(stream, event, { signal }).catch(() => {}));
    await Promise.race(heard);
    over.abort();
    return !stream.errored && !stream.destroyed;
  }
}
