import { FINDING_CHANGES, type FindingChange, type FindingChanges, type SourceState } from '../../core/finding/found.ts';
import type { Log } from '../../core/log/log.ts';

const WORDS: Readonly<Record<FindingChange, string>> = {
  joined: 'joined',
  left: 'left',
  ending: 'about to end',
  replaced: 'another at the same address',
};
/** Workers whose names a line gives, and sentences that are told at once. */
const MOST_NAMES = 20;
const MOST_SENTENCES = 10;

/** The line of a source of workers that can be asked again, or cannot. */
export function tellSource(log: Log, { source, isUp, message, workers }: SourceState): void {
  if (isUp) log.info('source.up', `${source} can be asked: it names ${workers} of the workers.`, { source, workers });
  else {
    const stay =
      workers === 0 ? 'No worker of it is known.' : 'Its workers stay as they were, and are asked themselves whether they are well.';
    log.warn('source.away', `${source} ${message}. ${stay}`, { source, workers, message });
  }
}

/** The line of workers that joined and left. */
export function tellFindings(log: Log, changes: FindingChanges): void {
  const { source } = changes;
  const some = FINDING_CHANGES.filter((change) => changes[change].length > 0);
  const fields = Object.fromEntries(some.map((change) => [change, shown(changes[change])]));
  const words = some.map((change) => `${changes[change].length} ${WORDS[change]}`).join(', ');
  log.info('source.change', `Workers of ${source}: ${words}.`, { source, ...fields });
}

/** The lines of what a source names and is not taken. */
export function tellLeftOut(log: Log, source: string, sentences: readonly string[]): void {
  for (const sentence of sentences.slice(0, MOST_SENTENCES)) log.warn('source.left_out', `${source} ${sentence}.`, { source });
  const more = sentences.length - MOST_SENTENCES;
  if (more > 0) log.warn('source.left_out', `${source} names ${more} more that are not taken.`, { source });
}

function shown(names: readonly string[]): readonly string[] {
  return names.length > MOST_NAMES ? [...names.slice(0, MOST_NAMES), `and ${names.length - MOST_NAMES} more`] : names;
}
