import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOMS, type Room } from './house.ts';

// The linter holds the layering of the real sources in `npm test`. Here it is shown that it would notice: a rule whose pattern matches
// nothing passes just as quietly as one that is kept.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A file of each room, and every import that it may not have. */
const CASES = ROOMS.map((room, at) => ({ room, file: fileIn(room, `case${at}.ts`), targets: forbidden(room) }));

let tree: string;
/** By file: the lines that the linter complains of. */
let complaints: Map<string, Set<number>>;

beforeAll(() => {
  tree = mkdtempSync(join(tmpdir(), 'headgate-layers-'));
  for (const path of ['oxlint.config.ts', 'test/shape/house.ts']) cpSync(join(ROOT, path), join(tree, path));
  symlinkSync(join(ROOT, 'node_modules'), join(tree, 'node_modules'));
  for (const { file, targets } of CASES) {
    mkdirSync(dirname(join(tree, file)), { recursive: true });
    writeFileSync(join(tree, file), targets.map((target, at) => `import { x${at} } from '${target}';\n`).join(''));
  }
  complaints = lint();
});

afterAll(() => rmSync(tree, { recursive: true, force: true }));

test.for(CASES)('$room.path may import nothing but what it knows', ({ file, targets }) => {
  const missed = targets.filter((_, at) => !complaints.get(file)?.has(at + 1));
  expect(missed).toEqual([]);
});

test('an import that a room may have is not complained of', () => {
  const file = 'gateway/http/fine.ts';
  writeFileSync(join(tree, file), "import { thing } from '../openai/peek.ts';\nthing();\n");
  expect(lint().get(file) ?? new Set()).toEqual(new Set());
});

function forbidden(room: Room): string[] {
  const folder = dirname(fileIn(room, 'any.ts'));
  const unknown = ROOMS.filter(({ path }) => path !== room.path && !room.knows.includes(path)).map((other) => fileIn(other, 'thing.ts'));
  const paths = [...unknown, 'test/support/thing.ts'].map((target) => {
    const path = posix.relative(folder, target);
    return path.startsWith('.') ? path : `./${path}`;
  });
  return [...paths, ...(room.pure ? ['node:fs'] : []), ...(room.shuns ?? []).filter((name) => !name.includes('*'))];
}

function fileIn({ path }: Room, name: string): string {
  return path.endsWith('.ts') ? path : `${path}/${name}`;
}

interface Complaint {
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

function lint(): Map<string, Set<number>> {
  const found = new Map<string, Set<number>>();
  for (const { code, filename, labels } of (JSON.parse(output()) as { diagnostics: Complaint[] }).diagnostics) {
    if (!code.includes('no-restricted-imports')) continue;
    const lines = found.get(filename) ?? new Set<number>();
    found.set(filename, lines.add(labels[0]!.span.line));
  }
  return found;
}

function output(): string {
  try {
    return execFileSync(process.execPath, [join(ROOT, 'node_modules/oxlint/bin/oxlint'), '--format', 'json'], {
      cwd: tree,
      encoding: 'utf8',
      stdio: 'pipe',
      maxBuffer: 2 ** 26,
    });
  } catch (error) {
    return String((error as { stdout: string }).stdout);
  }
}
