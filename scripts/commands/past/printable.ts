import { plainText } from '../../../gateway/core/secrets/plain-text.ts';
import { withoutSecrets } from '../../../gateway/core/secrets/text.ts';

/** A longer line is shown in pieces: a progress bar may never end its own. */
const MAX_LINE = 16 * 1024;
/** What has to be known of what comes behind a cut: longer than that is hardly a secret. */
const OVERLAP = 4 * 1024;
/** How much further ahead another cut is tried, and how often. */
const STEP = 127;
const MOST_STEPS = 64;
/** Then it is cut anywhere. */
const MOST_HELD = 128 * 1024;

/** One line of others, without what a terminal would obey, and without what must not be shown. */
export function printableLine(line: string): string {
  return withoutSecrets(plainText(line));
}

/** Lines of others, line by line. */
export function printable(text: string): string {
  return text.split(/\r?\n/).map(printableLine).join('\n');
}

/** The beginning of a line of others, `most` characters of it. It is cut last: half a secret would not look like one. */
export function printableBeginning(line: string, most: number): string {
  if (line.length <= most) return printableLine(line);
  const shown = printableLine(line.slice(0, most + OVERLAP));
  if (line.length <= most + OVERLAP) return shown.slice(0, most);
  // What it was cut in may stand at its end.
  return shown.slice(0, Math.min(most, Math.max(0, shown.length - OVERLAP)));
}

/** Text that comes in pieces, cut anywhere: whole lines go on. The result takes a piece; null: no more will come. */
export function linewise(write: (lines: string) => void): (piece: string | null) => void {
  let rest = '';
  return (piece) => {
    rest += piece ?? '';
    const whole = rest.lastIndexOf('\n') + 1;
    const end = piece === null ? rest.length : rest.length - whole > MAX_LINE + OVERLAP ? whole + cutOf(rest.slice(whole)) : whole;
    if (end === 0) return;
    write(printable(rest.slice(0, end)));
    rest = rest.slice(end);
  };
}

/** Where a line that goes on may be cut, so that neither half shows what the whole does not; 0: nowhere yet. */
function cutOf(line: string): number {
  const shown = printableLine(line);
  for (let step = 0, at = line.length - OVERLAP; step < MOST_STEPS && at > 0; step += 1, at -= STEP) {
    const isHalf = (line.charCodeAt(at) & 0xfc00) === 0xdc00;
    if (!isHalf && printableLine(line.slice(0, at)) + printableLine(line.slice(at)) === shown) return at;
  }
  return line.length > MOST_HELD ? line.length : 0;
}
