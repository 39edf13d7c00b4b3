import { createHash } from 'node:crypto';
import type { Journal } from '../../state/store/batch-terms.ts';
import type { JournalBytes, Side } from '../../state/store/file-bytes.ts';

const TAG_CHARS = 8;
const PLACE = /^([0-9a-f]{8})-([0-9a-z]{1,11})$/;
const MOST_PLACES = 1_000;
const LINE_FEED = 0x0a;
const NOTHING = Buffer.alloc(0);

/** What a batch that runs has written since it was asked last. */
export interface LinesSoFar {
  readonly lines: readonly Buffer[];
  /** What to ask with for those behind. */
  readonly next: string;
}

/**
 * Lines of a batch that are on record, beyond a place in each of its journals: some `most` bytes of them. Each comes once to whoever asks with what
 * he was told last, whichever process has written it. @param after '': from the beginning @returns null: `after` is no such place
 */
export async function linesSoFar(
  bytes: Pick<JournalBytes, 'read'>,
  batch: string,
  journals: readonly Journal[],
  side: Side,
  after: string,
  most: number,
): Promise<LinesSoFar | null> {
  const places = placesOf(after);
  if (places === null) return null;
  const lines: Buffer[] = [];
  let left = most;
  for (const journal of journals) {
    if (left <= 0) break;
    const tag = tagOf(journal.holder);
    const from = places.get(tag) ?? 0;
    const found = await wholeLines(bytes, batch, journal, side, from, left);
    if (found.length === 0) continue;
    lines.push(found);
    places.set(tag, from + found.length);
    left -= found.length;
  }
  return { lines, next: [...places].map(([tag, at]) => `${tag}-${at.toString(36)}`).join('.') };
}

/** Some `most` bytes of lines of what is committed, from a byte on where one begins; one line at least, unless there is none. */
async function wholeLines(
  bytes: Pick<JournalBytes, 'read'>,
  batch: string,
  { holder, outputBytes, errorBytes }: Journal,
  side: Side,
  from: number,
  most: number,
): Promise<Buffer> {
  const end = side === 'out' ? outputBytes : errorBytes;
  const pieces: Buffer[] = [];
  for (let at = from, wanted = most; at < end;) {
    const piece = await bytes.read(batch, holder, side, at, Math.min(wanted, end - at));
    if (piece.length === 0) return NOTHING;
    pieces.push(piece);
    at += piece.length;
    wanted -= piece.length;
    const last = piece.lastIndexOf(LINE_FEED);
    // Of what is committed no line is cut off.
    if (last >= 0 && wanted <= 0) return Buffer.concat(pieces).subarray(0, at - from - piece.length + last + 1);
    if (wanted <= 0) wanted = most;
  }
  return Buffer.concat(pieces);
}

/** A holder's own name is nobody's business. */
function tagOf(holder: string): string {
  return createHash('sha256').update(holder).digest('hex').slice(0, TAG_CHARS);
}

function placesOf(after: string): Map<string, number> | null {
  const places = new Map<string, number>();
  if (after === '') return places;
  const words = after.split('.', MOST_PLACES + 1);
  if (words.length > MOST_PLACES) return null;
  for (const word of words) {
    const [, tag, at = ''] = PLACE.exec(word) ?? [];
    if (tag === undefined) return null;
    places.set(tag, Number.parseInt(at, 36));
  }
  return places;
}
