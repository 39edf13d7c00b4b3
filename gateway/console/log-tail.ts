import { fileEnds } from '../core/history/file-ends.ts';
import { plainText } from '../core/secrets/plain-text.ts';
import { withoutSecrets } from '../core/secrets/text.ts';

const MOST_BYTES = 256 * 1024;
const MOST_LINES = 200;
/** A longer one says how much of it is not shown. */
const MOST_CHARS = 1_000;

/** The last lines of an engine's log, without secrets. Empty where there is no file, or it cannot be read. */
export async function logTail(path: string): Promise<readonly string[]> {
  const { tail = [] } = (await fileEnds(path, 0, MOST_BYTES)) ?? {};
  const end = tail.findLastIndex((line) => line.trim() !== '') + 1;
  return tail.slice(Math.max(0, end - MOST_LINES), end).map(shown);
}

/** What a terminal would obey goes first: it may stand in the middle of a secret. Cut last: half a secret would not look like one. */
function shown(line: string): string {
  const text = withoutSecrets(plainText(line));
  return text.length <= MOST_CHARS ? text : `${text.slice(0, MOST_CHARS)}… (${text.length - MOST_CHARS} more characters)`;
}
