/** Takes the line that the cursor is on away. */
export const CLEAR_LINE = '\r\u001b[2K';
/** Takes everything away. */
export const CLEAR_SCREEN = '\u001b[H\u001b[2J';

const USUAL_COLUMNS = 80;

/** Standard output, or error, is a terminal that can take back what it shows. */
export function isLiveTerminal(stream: NodeJS.WriteStream = process.stdout): boolean {
  return stream.isTTY === true && process.env['TERM'] !== 'dumb';
}

/** How many letters fit on a line of it. */
export function terminalColumns(stream: NodeJS.WriteStream = process.stdout): number {
  return stream.columns || USUAL_COLUMNS;
}
