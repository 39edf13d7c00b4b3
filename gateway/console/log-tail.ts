import { open } from 'node:fs/promises';
import { plainText } from '../core/secrets/plain-text.ts';
import { withoutSecrets } from '../core/secrets/text.ts';

const MOST_BYTES = 256 * 1024;
const MOST_LINES = 200;
/** A longer one says how much of it is not shown. */
const MOST_CHARS = 1_000;

/** The last lines of an engine's log, without secrets. Empty where there is no file, or it cannot be read. */
export async function logTail(path: string): Promise<readonly string[]> {
  try {
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    const from = Math.max(0, size - MOST_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, MOST_BYTES)), { position: from });
    const lines = buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n');
    // The first began before what was read.
    return (from === 0 ? lines : lines.slice(1)).slice(-MOST_LINES).map(shown);
  } catch {
    return [];
  }
}

/** What a terminal would obey goes first: it may stand in the middle of a secret. Cut last: half a secret would not look like one. */
function shown(line: string): string {
  const text = withoutSecrets(plainText(line));
  return text.length <= MOST_CHARS ? text : `${text.slice(0, MOST_CHARS)}… (${text.length - MOST_CHARS} more characters)`;
}
