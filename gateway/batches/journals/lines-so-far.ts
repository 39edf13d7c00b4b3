import { createHash } from 'node:crypto';
import type { Journal } from '../../state/store/batch-terms.ts';
import type { JournalFolder, Side } from './journal-folder.ts';

const TAG_CHARS = 8;
const PLACE = /^([0-9a-f]{8})-([0-9a-z]{1,11})$/;
const MOST_PLACES = 1_000;

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
  folder: Pick<JournalFolder, 'lines'>,
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
    const found = await folder.lines(batch, journal, side, from, left);
    if (found.length === 0) continue;
    lines.push(found);
    places.set(tag, from + found.length);
    left -= found.length;
  }
  return { lines, next: [...places].map(([tag, at]) => `${tag}-${at.toString(36)}`).join('.') };
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
