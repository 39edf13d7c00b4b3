export type Expected = 'stream' | 'stream-or-json' | 'json' | 'any';

/** Whether a 200 with this content type can be an answer to what was asked: a proxy's HTML page is not. */
export function isExpectedType(contentType: string, asked: Expected): boolean {
  const type = contentType.toLowerCase();
  switch (asked) {
    case 'stream':
      return type.startsWith('text/event-stream');
    case 'stream-or-json':
      return type.startsWith('text/event-stream') || type.startsWith('application/');
    case 'json':
      // Embeddings may be asked for as raw bytes.
      return type.startsWith('application/');
    case 'any':
      return !type.startsWith('text/html');
  }
}

/** A look at both ends; parsing a long answer to be sure would cost more than the rest of its way. */
export function looksLikeJson(body: Buffer): boolean {
  let start = 0;
  let end = body.length - 1;
  while (start < end && isSpace(body[start]!)) start++;
  while (end > start && isSpace(body[end]!)) end--;
  const open = body[start];
  const close = body[end];
  return (open === 0x7b && close === 0x7d) || (open === 0x5b && close === 0x5d);
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
