import type { Log } from '../../core/log/log.ts';

/** What came of reading a keys file anew. */
type KeysTold =
  | { readonly kind: 'keys'; readonly keys: readonly unknown[]; readonly warnings: readonly string[] }
  | { readonly kind: 'wrong'; readonly problems: readonly string[] };

/** Problems that a line tells. */
const MOST_TOLD = 3;

/** Who is served, for the log of a start. */
export function keysAtStart(count: number, admitsAnyone: boolean): string {
  if (admitsAnyone) return `Anyone is served; ${count === 1 ? 'one key of a client is' : `${count} keys of clients are`} set beside.`;
  if (count === 0) return 'Nobody is served: auth.keys_file holds no key yet.';
  return count === 1 ? 'Whoever has the one key that is set is served.' : `Whoever has one of ${count} keys is served.`;
}

/** Says that other keys hold from now on, or why the old ones stay. */
export function tellKeys(log: Pick<Log, 'info' | 'warn' | 'error'>, told: KeysTold, file: string): void {
  if (told.kind === 'wrong') {
    const more = told.problems.length > MOST_TOLD ? `; and ${told.problems.length - MOST_TOLD} more ("headgate check" says all)` : '';
    log.error(
      'keys.refused',
      `The keys in ${file} are not taken, those from before stay: ${told.problems.slice(0, MOST_TOLD).join('; ')}${more}`,
    );
    return;
  }
  const count = told.keys.length;
  if (count === 0) {
    log.warn('keys.changed', `${file} has changed and holds no key any more: whoever had one from there has none.`);
    return;
  }
  log.info(
    'keys.changed',
    `${file} has changed: the ${count === 1 ? 'key' : `${count} keys`} in it ${count === 1 ? 'holds' : 'hold'} from now on.`,
  );
  for (const warning of told.warnings) log.warn('keys.changed', warning);
}
