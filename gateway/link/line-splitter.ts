/** Cuts a stream of bytes into lines. */
export interface LineSplitter {
  /** @returns the lines that end in this chunk, without their newline. @throws when one grows beyond the limit */
  push(chunk: Buffer): string[];
}

const NEWLINE = 10;

export function createLineSplitter(maxLineBytes: number): LineSplitter {
  let parts: Buffer[] = [];
  let length = 0;

  function keep(part: Buffer): void {
    length += part.length;
    if (length > maxLineBytes) throw new Error(`A line is longer than ${maxLineBytes} bytes.`);
    if (part.length > 0) parts.push(part);
  }

  return {
    push(chunk) {
      const lines: string[] = [];
      let from = 0;
      for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
        keep(chunk.subarray(from, end));
        lines.push(Buffer.concat(parts).toString('utf8'));
        parts = [];
        length = 0;
        from = end + 1;
      }
      keep(chunk.subarray(from));
      return lines;
    },
  };
}
