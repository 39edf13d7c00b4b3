import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { REFUSALS } from '../../../../gateway/policies/resume/refusals.ts';

test('gateway/README.md shows the table of refusals as it is', () => {
  const page = readFileSync(new URL('../../../../gateway/README.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` +\| (.*?) *\|$/gm)].map(([, name, words]) => [name, words]);
  const from = rows.findIndex(([name]) => name === 'resumed');
  expect(rows.slice(from + 1, from + 1 + Object.keys(REFUSALS).length)).toEqual(Object.entries(REFUSALS));
});
