import { ApiTrouble } from './trouble.ts';

const NEWLINE = 0x0a;

/**
 * Lines of a stream of bytes, as text, in the groups in which they arrive; what stands after the last newline when it ends is none, since a
 * line that was cut says half of something. @throws ApiTrouble once a line is longer than `maxBytes`
 */
export async function* linesOf(body: AsyncIterable<Uint8Array>, maxBytes: number): AsyncGenerator<readonly string[]> {
  let rest: Uint8Array[] = [];
  let restBytes = 0;
  for await (const chunk of body) {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      lines.push(Buffer.concat([...rest, chunk.subarray(start, end)]).toString('utf8'));
      rest = [];
      restBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) {
      rest.push(chunk.subarray(start));
      restBytes += chunk.length - start;
    }
    if (lines.length > 0) yield lines;
    if (restBytes > maxBytes) throw new ApiTrouble(`is not told: the API server sends a line of more than ${maxBytes} bytes`);
  }
}
