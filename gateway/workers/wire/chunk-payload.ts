/** The longest size line, and the longest trailer. */
const MAX_LINE_BYTES = 16_384;

/** A decoder of chunked bodies that are not event streams: payload is passed on as it comes, however long a chunk is. */
export class ChunkPayload {
  #state: 'size' | 'data' | 'data-crlf' | 'trailer' | 'done' = 'size';
  #line = '';
  #trailerBytes = 0;
  #left = 0;
  /** After 'end': how many bytes of the read follow the body. 0 on a well-behaved connection. */
  rest = 0;

  /** Calls `onData` with pieces of payload. */
  push(read: Buffer, onData: (piece: Buffer) => void): 'more' | 'end' | 'invalid' {
    let pos = 0;
    while (pos < read.length) {
      if (this.#state === 'data') {
        const take = Math.min(this.#left, read.length - pos);
        onData(read.subarray(pos, pos + take));
        pos += take;
        this.#left -= take;
        if (this.#left === 0) this.#state = 'data-crlf';
        continue;
      }
      if (this.#state === 'done') return 'invalid';
      const newline = read.indexOf(0x0a, pos);
      const upTo = newline < 0 ? read.length : newline + 1;
      this.#line += read.toString('latin1', pos, upTo);
      if (this.#state === 'trailer') this.#trailerBytes += upTo - pos;
      pos = upTo;
      if (this.#line.length > MAX_LINE_BYTES || this.#trailerBytes > MAX_LINE_BYTES) return 'invalid';
      if (newline < 0) break;
      if (!this.#line.endsWith('\r\n')) return 'invalid';
      const line = this.#line.slice(0, -2);
      this.#line = '';
      switch (this.#state) {
        case 'size': {
          const hex = /^([0-9a-f]{1,8})(?:;[^\r\n]*)?$/i.exec(line)?.[1];
          if (hex === undefined) return 'invalid';
          this.#left = Number.parseInt(hex, 16);
          this.#state = this.#left === 0 ? 'trailer' : 'data';
          break;
        }
        case 'data-crlf':
          if (line !== '') return 'invalid';
          this.#state = 'size';
          break;
        case 'trailer':
          if (line === '') {
            this.#state = 'done';
            this.rest = read.length - pos;
            return 'end';
          }
          break;
      }
    }
    return 'more';
  }
}
