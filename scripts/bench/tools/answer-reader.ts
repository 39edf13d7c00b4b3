export interface AnswerHead {
  readonly status: number;
  /** Header lines as they came, without the status line. */
  readonly lines: readonly string[];
  readonly chunked: boolean;
  /** Whether the connection ends with this answer. */
  readonly closes: boolean;
}

/** What a piece held of the body, with its framing. */
export interface Taken {
  /** What was kept back of the piece before, because it might have begun the last chunk; it goes ahead of the rest. */
  readonly before: Buffer | null;
  readonly from: number;
  readonly to: number;
  /** Whether the answer is whole. */
  readonly done: boolean;
}

const LF = 10;
const HEAD_MOST = 65_536;
const END_OF_HEAD = Buffer.from('\r\n\r\n');

type Stage = 'head' | 'length' | 'until-close' | 'size' | 'chunk' | 'chunk-end' | 'trailer';

/** Follows one HTTP/1.1 answer as it comes, however it is cut into pieces. One for each answer. */
export class AnswerReader {
  head: AnswerHead | null = null;
  #stage: Stage = 'head';
  #line: Buffer = Buffer.alloc(0);
  #left = 0;

  /**
   * Takes the next bytes. `payload` is told of each piece of the body, without framing.
   * @returns where the body's bytes begin and end in `bytes`, framing included but not the last chunk
   * @throws what is no answer
   */
  take(bytes: Buffer, payload: (piece: Buffer) => void): Taken {
    const kept = this.#stage === 'size' && this.#line.length > 0 ? this.#line : null;
    let before: Buffer | null = null;
    let at = 0;
    while (this.#stage === 'head') {
      const rest = this.#takeHead(at === 0 ? bytes : bytes.subarray(at));
      if (rest < 0) return { before, from: bytes.length, to: bytes.length, done: false };
      at += rest;
      if (this.#isEmpty()) return { before, from: at, to: at, done: true };
    }
    const from = at;
    let to = at;
    while (at < bytes.length) {
      if (this.#stage === 'until-close') {
        payload(bytes.subarray(at));
        return { before, from, to: bytes.length, done: false };
      }
      if (this.#stage === 'length' || this.#stage === 'chunk') {
        const end = Math.min(bytes.length, at + this.#left);
        payload(bytes.subarray(at, end));
        this.#left -= end - at;
        at = to = end;
        if (this.#left > 0) break;
        if (this.#stage === 'length') return { before, from, to, done: true };
        this.#stage = 'chunk-end';
        continue;
      }
      const stage = this.#stage;
      const line = this.#takeLine(bytes, at);
      if (line === null) {
        // Part of a size line, or of the line end after a chunk: it belongs to the body unless it begins the last chunk.
        if (stage === 'chunk-end') to = bytes.length;
        return { before, from, to, done: false };
      }
      at = line.after;
      if (stage === 'chunk-end') {
        this.#stage = 'size';
        to = at;
      } else if (stage === 'trailer') {
        if (line.text === '') return { before, from, to, done: true };
      } else {
        this.#left = Number.parseInt(line.text, 16);
        if (!Number.isFinite(this.#left)) throw new Error(`no size of a chunk: ${line.text.slice(0, 40)}`);
        this.#stage = this.#left === 0 ? 'trailer' : 'chunk';
        if (this.#left > 0) {
          // The first line of the piece is the only one that can have begun in the piece before.
          if (to === from && to === 0) before = kept;
          to = at;
        }
      }
    }
    return { before, from, to, done: false };
  }

  #isEmpty(): boolean {
    return this.#stage === 'length' && this.#left === 0;
  }

  /** The connection has ended. @returns whether that ends the answer, too */
  endsHere(): boolean {
    return this.#stage === 'until-close';
  }

  /** @returns how many of `bytes` the head took, or -1 while it is not all there */
  #takeHead(bytes: Buffer): number {
    const before = this.#line.length;
    const all = before === 0 ? bytes : Buffer.concat([this.#line, bytes]);
    const end = all.indexOf(END_OF_HEAD);
    if (end < 0) {
      if (all.length > HEAD_MOST) throw new Error('a head without an end');
      this.#line = Buffer.from(all);
      return -1;
    }
    this.#line = Buffer.alloc(0);
    const [first = '', ...lines] = all.toString('latin1', 0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]);
    if (!status) throw new Error(`no status line: ${first.slice(0, 40)}`);
    if (status >= 200) {
      const value = (name: string) => lines.find((line) => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1);
      const chunked = /chunked/i.test(value('transfer-encoding') ?? '');
      const length = value('content-length');
      this.head = { status, lines, chunked, closes: /close/i.test(value('connection') ?? '') };
      this.#left = Number(length ?? 0);
      const bodiless = status === 204 || status === 304;
      this.#stage = bodiless ? 'length' : chunked ? 'size' : length === undefined ? 'until-close' : 'length';
    }
    return end + END_OF_HEAD.length - before;
  }

  #takeLine(bytes: Buffer, at: number): { readonly text: string; readonly after: number } | null {
    const end = bytes.indexOf(LF, at);
    const piece = bytes.subarray(at, end < 0 ? bytes.length : end);
    const line = this.#line.length === 0 ? piece : Buffer.concat([this.#line, piece]);
    if (line.length > HEAD_MOST) throw new Error('a line without an end');
    this.#line = end < 0 ? Buffer.from(line) : Buffer.alloc(0);
    return end < 0 ? null : { text: line.toString('latin1').replace(/\r$/, ''), after: end + 1 };
  }
}
