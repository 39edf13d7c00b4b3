import { fileEnds } from '../core/history/file-ends.ts';
import { KEPT_FILES, keptPath } from '../core/log/kept-file.ts';
import { keptLinesPath } from '../core/log/kept-lines.ts';
import { shownJsonLine } from './log-lines.ts';
import type { Pace } from './pace.ts';
import type { Veil } from './veil/veil.ts';

/** Of each of the two, in its files together. */
const LOG_BYTES = 160 * 1024;

/**
 * The last lines of the logs that gateway and supervisor keep in the state folder: of all processes, those of earlier lives among them, and
 * whether or not anything runs. null where none are kept.
 */
export async function keptLogsPart(stateDir: string, veil: Veil, pace: Pace) {
  const gateway = await keptLines(keptLinesPath(stateDir, 'gateway'), veil, pace);
  const supervisor = await keptLines(keptLinesPath(stateDir, 'supervisor'), veil, pace);
  if (gateway === null && supervisor === null) return null;
  return { supervisor, gateway };
}

/** The last lines first: where there are too many, the oldest are cut. */
async function keptLines(path: string, veil: Veil, pace: Pace) {
  const shown: unknown[] = [];
  let [leftOut, unread, files] = [0, 0, 0];
  let left = LOG_BYTES;
  for (let age = 0; age < KEPT_FILES; age += 1) {
    const found = await fileEnds(keptPath(path, age), 0, Math.max(0, left));
    if (!found) continue;
    files += 1;
    unread += found.between;
    left -= found.size - found.between;
    for (const line of found.tail.toReversed()) {
      const said = shownJsonLine(line, veil);
      if (said) shown.push(said);
      else leftOut += 1;
      await pace.rest();
    }
  }
  return files === 0 ? null : { older_bytes_unread: unread, lines_left_out: leftOut, newest_first: shown };
}
