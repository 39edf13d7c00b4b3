import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

interface FileEnds {
  readonly size: number;
  readonly head: readonly string[];
  readonly tail: readonly string[];
  /** Bytes between them that were not read. */
  readonly between: number;
}

/**
 * The first and the last lines of a file, of which no more than so many bytes are read. Lines that the cut has halved are left out. null
 * where there is none, or it cannot be read.
 */
export async function fileEnds(path: string, headBytes: number, tailBytes: number): Promise<FileEnds | null> {
  try {
    // A pipe by that name would be waited for without end.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const info = await file.stat();
    if (!info.isFile()) return null;
    const { size } = info;
    const isWhole = size <= headBytes + tailBytes;
    const from = isWhole ? 0 : size - tailBytes;
    const head = isWhole || headBytes === 0 ? [] : linesOf(await read(file, 0, headBytes)).slice(0, -1);
    const lines = linesOf(await read(file, from, size - from));
    return { size, head, tail: isWhole ? lines : lines.slice(1), between: isWhole ? 0 : size - headBytes - tailBytes };
  } catch {
    return null;
  }
}

async function read(file: Awaited<ReturnType<typeof open>>, from: number, length: number): Promise<string> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), { position: from });
  return buffer.toString('utf8', 0, bytesRead);
}

function linesOf(text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  return lines;
}
