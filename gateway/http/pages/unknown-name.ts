import { nearestName } from '../../config/schema/nearest-name.ts';

const MOST_NAMED = 20;
const MOST_CHARS = 100;

/** What to say of a name that an operator wrote and nothing has: the nearest that there is, and all of them. */
export function nothingOfThatName(kind: 'worker' | 'model', name: string, known: readonly string[]): string {
  const near = nearestName(name, known);
  const meant = near === null ? '' : ` Did you mean ${shown(near)}?`;
  const more = known.length > MOST_NAMED ? ` and ${known.length - MOST_NAMED} more` : '';
  const all = known.length === 0 ? ` There is no ${kind} at all.` : ` There is ${known.slice(0, MOST_NAMED).map(shown).join(', ')}${more}.`;
  return `There is no ${kind} ${shown(name)}.${meant}${all}`;
}

function shown(name: string): string {
  const short = name.length > MOST_CHARS ? `${name.slice(0, MOST_CHARS)}…` : name;
  return short.replaceAll(/[^\x20-\x7e…]/g, '?');
}
