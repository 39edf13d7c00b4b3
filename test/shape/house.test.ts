import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { LONG_FILES, ROOMS, roomOf } from './house.ts';
import { circles, importsOf } from './import-graph.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HOUSE = ['gateway', 'supervisor', 'scripts'];
const FILES = HOUSE.flatMap((folder) => sourcesIn(folder));
const GRAPH = new Map(FILES.map((file) => [file, importsOf(file, read(file)).filter((target) => FILES.includes(target))]));

const MOST_FILES = 20;
const MOST_LINES = 300;
const MEDIAN_LINES = 100;

describe('the house', () => {
  test('every file stands in a room of the plan (a new folder is added to ROOMS in house.ts), and every room has files', () => {
    expect(FILES.filter((file) => roomOf(file) === null)).toEqual([]);
    const used = new Set(FILES.map((file) => roomOf(file)?.path));
    expect(ROOMS.map(({ path }) => path).filter((path) => !used.has(path))).toEqual([]);
  });

  test('no room holds more than 20 files', () => {
    const sizes = Map.groupBy(FILES, (file) => posix.dirname(file));
    expect([...sizes].filter(([, files]) => files.length > MOST_FILES).map(([room, files]) => `${room}: ${files.length}`)).toEqual([]);
  });

  test('a room knows only rooms on the floors below it', () => {
    const floors = ROOMS.map(({ path }) => path);
    const upward = ROOMS.flatMap(({ path, knows }, floor) =>
      knows.filter((other) => floors.indexOf(other) >= floor || !floors.includes(other)).map((other) => `${path} -> ${other}`),
    );
    expect(upward).toEqual([]);
  });

  test('files import nothing of rooms that theirs does not know', () => {
    const strangers = arrows().filter(([from, to]) => !roomOf(from)!.knows.includes(roomOf(to)!.path));
    expect(strangers.map(([from, to]) => `${from} -> ${to}`)).toEqual([]);
  });

  test('the plan lists no acquaintance that no import makes use of', () => {
    const used = new Set(arrows().map(([from, to]) => `${roomOf(from)!.path} -> ${roomOf(to)!.path}`));
    const planned = ROOMS.flatMap(({ path, knows }) => knows.map((other) => `${path} -> ${other}`));
    expect(planned.filter((arrow) => !used.has(arrow))).toEqual([]);
  });

  test('no file imports itself through others, type imports counted', () => {
    expect(circles(GRAPH)).toEqual([]);
  });
});

describe('the files', () => {
  const lengths = new Map(FILES.map((file) => [file, read(file).split('\n').length - 1]));

  test('are under a hundred lines, half of them', () => {
    const sorted = [...lengths.values()].toSorted((a, b) => a - b);
    expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(MEDIAN_LINES);
  });

  test('have a reason beside them where they are over 300 lines, and none where they are not', () => {
    const long = [...lengths].filter(([, lines]) => lines > MOST_LINES).map(([file]) => file);
    expect(long.toSorted()).toEqual(Object.keys(LONG_FILES).toSorted());
  });
});

describe('the graph reader', () => {
  test('sees circles, and imports of every form', () => {
    const text =
      "import a from './a.ts';\nimport type { B } from '../b.ts';\nexport * from './c.ts';\nconst d = await import('./d/e.ts');\n";
    expect(importsOf('room/x.ts', text)).toEqual(['room/a.ts', 'b.ts', 'room/c.ts', 'room/d/e.ts']);
    const graph = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', ['a']],
      ['d', ['a']],
    ]);
    expect(circles(graph)).toEqual([['a', 'b', 'c']]);
  });
});

/** Imports between rooms. */
function arrows(): [string, string][] {
  const all = [...GRAPH].flatMap(([from, targets]) => targets.map((to): [string, string] => [from, to]));
  // A file in no room is told of by the first test.
  return all.filter(([from, to]) => roomOf(from) && roomOf(to) && roomOf(from) !== roomOf(to));
}

function sourcesIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`)
    .toSorted();
}

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}
