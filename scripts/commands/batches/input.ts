import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { LineCutter } from '../../../gateway/batches/line-cutter.ts';
import type { Sent } from './upload.ts';

const BLOCK_BYTES = 65_536;
const PIECE_BYTES = 262_144;
const MOST_LINE_BYTES = 16 * 1024 * 1024;
/** In place of one that is too long to be looked at: it is no request. */
const NO_LINE = Buffer.alloc(0);

type Looked =
  | { readonly kind: 'looked'; readonly sent: Sent; readonly first: Buffer }
  | { readonly kind: 'wrong'; readonly message: string };

/**
 * Finds what is to be sent, and its first line that is not blank: what is no input of a batch is not sent. All other lines the gateway looks at.
 * A pipe is read once, and sent as it comes. @param path '-': standard input
 */
export async function lookAt(path: string, stdin: () => Readable = () => process.stdin): Promise<Looked> {
  try {
    if (path === '-') return await lookAtPipe('standard input', 'stdin.jsonl', stdin());
    const found = await stat(path);
    if (found.isFile()) return await lookAtFile(path, found.size);
    if (found.isDirectory()) return { kind: 'wrong', message: `${path} is a folder, and no file.` };
    return await lookAtPipe(path, basename(path), createReadStream(path, { highWaterMark: PIECE_BYTES }));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { kind: 'wrong', message: code === 'ENOENT' ? `There is no file ${path}.` : `${path} cannot be read: ${code ?? message}.` };
  }
}

async function lookAtFile(path: string, bytes: number): Promise<Looked> {
  if (bytes === 0) return { kind: 'wrong', message: `${path} is empty.` };
  const cutter = new LineCutter(MOST_LINE_BYTES);
  let first: Buffer | null = null;
  {
    await using handle = await open(path);
    const block = Buffer.alloc(BLOCK_BYTES);
    for (let at = 0; first === null && at <= MOST_LINE_BYTES;) {
      const { bytesRead } = await handle.read(block, 0, block.length, at);
      at += bytesRead;
      first = firstOf(cutter, block.subarray(0, bytesRead));
      if (bytesRead === 0) break;
      if (at > MOST_LINE_BYTES) first ??= NO_LINE;
    }
  }
  if (first === null) return { kind: 'wrong', message: `${path} holds no line.` };
  // No more than was promised, should somebody add to it meanwhile.
  const read = (): Readable => createReadStream(path, { highWaterMark: PIECE_BYTES, start: 0, end: Math.max(0, bytes - 1) });
  return { kind: 'looked', sent: { what: path, name: basename(path), bytes, open: read, discard() {} }, first };
}

async function lookAtPipe(what: string, name: string, pipe: Readable): Promise<Looked> {
  const cutter = new LineCutter(MOST_LINE_BYTES);
  const pieces = pipe[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  /** What has been read before it can be sent. */
  const head: Buffer[] = [];
  let [read, first]: [number, Buffer | null] = [0, null];
  while (first === null) {
    const piece = await pieces.next();
    if (piece.done === true) {
      first = firstOf(cutter, Buffer.alloc(0));
      break;
    }
    head.push(piece.value);
    read += piece.value.length;
    first = firstOf(cutter, piece.value) ?? (read > MOST_LINE_BYTES ? NO_LINE : null);
  }
  if (first === null) {
    pipe.destroy();
    return { kind: 'wrong', message: read === 0 ? `${what} is empty.` : `${what} holds no line.` };
  }
  async function* all(): AsyncGenerator<Buffer> {
    yield* head.splice(0);
    for (let piece = await pieces.next(); piece.done !== true; piece = await pieces.next()) yield piece.value;
  }
  const whole = (): Readable => Readable.from(all(), { objectMode: false });
  return { kind: 'looked', sent: { what, name, bytes: null, open: whole, discard: () => void pipe.destroy() }, first };
}

/** The first line, once it has come; @param bytes none: nothing more comes. */
function firstOf(cutter: LineCutter, bytes: Buffer): Buffer | null {
  for (const line of bytes.length === 0 ? cutter.end() : cutter.cut(bytes)) return line.bytes ?? NO_LINE;
  return null;
}
