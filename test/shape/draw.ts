import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOMS, roomOf } from './house.ts';
import { circles, importsOf } from './import-graph.ts';

// Draws the house by its imports: `npm run shape` as text, `npm run shape -- --mermaid` as a graph. house.test.ts holds the same to the plan.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const files = ['gateway', 'supervisor', 'scripts'].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `${folder}/${name}`),
);
const graph = new Map(files.map((file) => [file, importsOf(file, readFileSync(join(ROOT, file), 'utf8'))]));

/** By room: the rooms that its files import, with how many imports there are. */
const arrows = new Map(ROOMS.map(({ path }) => [path, new Map<string, number>()]));
for (const [file, targets] of graph) {
  const from = roomOf(file)?.path;
  for (const target of targets) {
    const to = roomOf(target)?.path;
    if (from === undefined || to === undefined || from === to) continue;
    const known = arrows.get(from)!;
    known.set(to, (known.get(to) ?? 0) + 1);
  }
}

const lines = process.argv.includes('--mermaid') ? mermaid() : text();
process.stdout.write(`${lines.join('\n')}\n`);

function text(): string[] {
  const rooms = ROOMS.toReversed().map(({ path, idea }) => {
    const size = files.filter((file) => roomOf(file)?.path === path).length;
    const knows = [...arrows.get(path)!].map(([to, count]) => `${to} ${count}`);
    return `${path} (${size}): ${idea}\n    ${knows.length > 0 ? knows.join(' · ') : 'knows nobody'}`;
  });
  return [...rooms, '', `${files.length} files, ${circles(graph).length} circles`];
}

function mermaid(): string[] {
  const names = new Map(ROOMS.map(({ path }, at) => [path, `r${at}`]));
  const nodes = ROOMS.map(({ path }) => `  ${names.get(path)}["${path}"]`);
  const edges = [...arrows].flatMap(([from, targets]) => [...targets.keys()].map((to) => `  ${names.get(from)} --> ${names.get(to)}`));
  return ['graph TD', ...nodes, ...edges];
}
