/** Takes the line that the cursor is on away. */
export const CLEAR_LINE = '\r\u001b[2K';
/** Takes everything away. */
export const CLEAR_SCREEN = '\u001b[H\u001b[2J';

const USUAL_COLUMNS = 80;

/** Standard output is a terminal that can take back what it shows. */
export function isLiveTerminal(): boolean {
  return process.stdout.isTTY === true && process.env['TERM'] !== 'dumb';
}

/** How many letters fit on a line of it. */
export function terminalColumns(): number {
  return process.stdout.columns || USUAL_COLUMNS;
}
