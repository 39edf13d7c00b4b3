import { open } from 'node:fs/promises';
import { plainText } from '../core/secrets/plain-text.ts';
import { withoutSecrets } from '../core/secrets/text.ts';

const MOST_BYTES = 48 * 1024;
const MOST_LINES = 200;

/** The last lines of an engine's log, without secrets. Empty where there is no file, or it cannot be read. */
export async function logTail(path: string): Promise<readonly string[]> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const from = Math.max(0, size - MOST_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, MOST_BYTES)), { position: from });
    const lines = buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n');
    // The first began before what was read.
    return (from === 0 ? lines : lines.slice(1)).slice(-MOST_LINES).map((line) => plainText(withoutSecrets(line)));
  } catch {
    return [];
  }
}
