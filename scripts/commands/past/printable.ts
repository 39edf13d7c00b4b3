import { plainText } from '../../../gateway/core/secrets/plain-text.ts';
import { withoutSecrets } from '../../../gateway/core/secrets/text.ts';

/** A longer line is shown in pieces: a progress bar may never end its own. */
const MAX_LINE = 16 * 1024;

/** One line of others, without what a terminal would obey, and without what must not be shown. */
export function printableLine(line: string): string {
  return withoutSecrets(plainText(line));
}

/** Lines of others, line by line. */
export function printable(text: string): string {
  return text.split(/\r?\n/).map(printableLine).join('\n');
}

/** Text that comes in pieces, cut anywhere: whole lines go on. The result takes a piece; null: no more will come. */
export function linewise(write: (lines: string) => void): (piece: string | null) => void {
  let rest = '';
  return (piece) => {
    rest += piece ?? '';
    const end = piece === null || rest.length > MAX_LINE ? rest.length : rest.lastIndexOf('\n') + 1;
    if (end === 0) return;
    write(printable(rest.slice(0, end)));
    rest = rest.slice(end);
  };
}
