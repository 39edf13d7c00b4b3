import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { COLUMNS } from '../../scripts/chaos/report/markdown.ts';
import { ALL_ROWS } from '../../scripts/chaos/rows/all-rows.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = readFileSync(join(ROOT, 'deploy/faults.md'), 'utf8');
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const HEAD = `| ${COLUMNS.join(' | ')} |`;

/** The rows of the table of faults in a page, as they are written. */
function rows(page: string): string[] {
  const lines = page.slice(page.indexOf(HEAD)).split('\n');
  const end = lines.findIndex((line) => !line.startsWith('|'));
  return lines.slice(2, end);
}

const faultOf = (row: string): string => row.split(' | ')[0]!.slice(2);

test('the table of faults survived has a row for each fault that is played, and none for another', () => {
  expect(PAGE).toContain(HEAD);
  expect(rows(PAGE).map(faultOf)).toEqual(ALL_ROWS.map(({ fault }) => fault.replaceAll('|', '\\|')));
});

test('nothing in it is broken, and its last line says so', () => {
  expect(PAGE).not.toContain('**broken**');
  expect(PAGE).toContain(`${ALL_ROWS.length} faults survived, 0 broken, 0 not played, 0 skipped`);
});

test('what README shows of it are rows of it', () => {
  const shown = rows(README);
  expect(shown.length).toBeGreaterThanOrEqual(10);
  expect(rows(PAGE)).toEqual(expect.arrayContaining(shown));
});
