import { hash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { LineCutter } from '../../../../gateway/batches/line-cutter.ts';
import { type OutputLine, outputLine } from './output-line.ts';
import { Tally } from './tally.ts';

const BLOCK_BYTES = 1_048_576;
const MOST_LINE_BYTES = 64 * 1024 * 1024;
const DIGEST_CHARS = 16;

/** Where a line lies, and what tells its text from others: the text itself stays in the file. */
export interface Place {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  readonly isFailed: boolean;
  readonly digest: string;
}

/** One of the two that are compared. */
export interface Side {
  readonly name: string;
  /** By custom_id, in the order of the files; of several lines with one, the first. */
  readonly lines: ReadonlyMap<string, Place>;
  readonly tally: Tally;
}

/** Reads files of results, one line at a time. @throws what the disk says · NoResults */
export async function readSide(name: string, files: readonly string[]): Promise<Side> {
  const lines = new Map<string, Place>();
  const tally = new Tally();
  for (const file of files) {
    await using handle = await open(file);
    const cutter = new LineCutter(MOST_LINE_BYTES);
    const block = Buffer.alloc(BLOCK_BYTES);
    for (let at = 0; ;) {
      const { bytesRead } = await handle.read(block, 0, block.length, at);
      at += bytesRead;
      for (const { offset, length, number, bytes } of bytesRead === 0 ? cutter.end() : cutter.cut(block.subarray(0, bytesRead))) {
        const line = bytes === null ? null : outputLine(bytes);
        if (line === null) tally.strange(number);
        else if (lines.has(line.customId)) tally.repeated();
        else {
          const digest = hash('sha256', line.text, 'latin1').slice(0, DIGEST_CHARS);
          lines.set(line.customId, { file, offset, length, isFailed: line.isFailed, digest });
          tally.add(line);
        }
      }
      if (bytesRead === 0) break;
    }
  }
  const { unreadable, firstUnreadable } = tally;
  if (lines.size === 0 && unreadable > 0)
    throw new NoResults(`${name} holds no results: line ${firstUnreadable} is no line of an output file.`);
  return { name, lines, tally };
}

/** The file is something else. */
export class NoResults extends Error {}

/** Reads a line again. @throws what the disk says */
export async function lineAt({ file, offset, length }: Place): Promise<OutputLine | null> {
  await using handle = await open(file);
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await handle.read(bytes, 0, length, offset);
  return outputLine(bytes.subarray(0, bytesRead));
}
