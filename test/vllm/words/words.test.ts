import { expect, test } from 'vitest';
import { FAILURE_ROWS } from '../../../supervisor/failure/table.ts';
import { OTHERS, WORDS } from './words.ts';

/** A pattern's own text, as near to what it matches as matters here. */
const plain = (pattern: RegExp) => pattern.source.replaceAll(/\\([()[\].])/g, '$1');

test('every pattern of the table of failures has words whose place in vLLM is checked, or is somebody else’s', () => {
  const unplaced = FAILURE_ROWS.filter(({ pattern }) => {
    const source = plain(pattern);
    const own = WORDS.some(({ words }) => source.includes(words.trim()) || pattern.test(words));
    return !own && !Object.values(OTHERS).some((theirs) => theirs.test(source));
  });
  expect(unplaced.map(({ pattern }) => pattern.source)).toEqual([]);
});
