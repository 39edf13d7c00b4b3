import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { importsOf } from './import-graph.ts';
import { type ChatTrace, traceChat } from './trace.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TEXT = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');
const MOST_FOR_A_CHAT = 20;
const MOST_FOR_A_DEATH = 22;
/** Compositions hand one part to another, so that the parts need not import each other. */
const COMPOSITIONS = ['gateway/main.ts', 'gateway/pipeline.ts', 'gateway/app.ts', 'supervisor/main.ts'];
/** Words that every part uses, and the books. */
const ASIDE = /^gateway\/(?:core|telemetry)\//;
/** On the map, though a chat runs no function of theirs: an order is no function, and a policy that is off by default is not there. */
const NOT_RUN = ['gateway/pipeline.ts', 'gateway/policies/window/batch-window.ts'];

describe('the life of a request', () => {
  const chapter = chapterOf('The life of a request');
  const path = numbered(chapter);
  const asked = named(chapter.slice(chapter.indexOf('Asked on the way'), chapter.indexOf('The answer comes back')));
  let trace: ChatTrace;
  beforeAll(async () => {
    trace = await traceChat();
  });

  test('passes at most 20 files', () => {
    expect(path.length).toBeGreaterThan(10);
    expect(path.length).toBeLessThanOrEqual(MOST_FOR_A_CHAT);
  });

  test('is handed on from file to file as the map says', () => expect(unconnected(path)).toEqual([]));

  test('runs functions of every file on the map, and of no other (CONTRIBUTING.md: the list, or "Asked on the way")', () => {
    const mapped = [...path, ...asked].filter((file) => !NOT_RUN.includes(file));
    // A timer may have run in the middle of the chat, on a slow machine.
    const run = trace.toWorker.filter((file) => !ASIDE.test(file) && (mapped.includes(file) || !trace.idle.includes(file)));
    expect(run.toSorted()).toEqual(mapped.toSorted());
  });

  test('comes back the way that the map says', () => {
    expect(trace.whole).toContain('gateway/http/node-sink.ts');
    expect(trace.whole.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
  });
});

describe('the life of a worker', () => {
  const path = numbered(chapterOf('The life of a worker'));

  test('tells a death through at most 22 files', () => {
    expect(path.length).toBeGreaterThan(10);
    expect(path.length).toBeLessThanOrEqual(MOST_FOR_A_DEATH);
  });

  // Between these two lies a socket.
  test('is handed on from file to file as the map says', () => expect(unconnected(path)).toEqual(['gateway/link/watch.ts']));
});

test('every file that the page names is there', () => {
  expect(named(TEXT).filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
});

/** Files of a path that nothing before them imports, that import nothing before them, and that no composition joins to it. */
function unconnected(path: readonly string[]): string[] {
  const imports = new Map(
    [...new Set([...path, ...COMPOSITIONS])].map((file) => [file, importsOf(file, readFileSync(join(ROOT, file), 'utf8'))]),
  );
  const joins = (a: string, b: string): boolean => imports.get(a)!.includes(b) || imports.get(b)!.includes(a);
  return path.filter((file, at) => {
    if (at === 0) return false;
    const before = path.slice(0, at);
    const composed = COMPOSITIONS.some((composition) => joins(composition, file) && before.some((other) => joins(composition, other)));
    return !composed && !before.some((other) => joins(other, file));
  });
}

function chapterOf(title: string): string {
  const from = TEXT.indexOf(`## ${title}\n`);
  const to = TEXT.indexOf('\n## ', from + 1);
  if (from < 0) throw new Error(`CONTRIBUTING.md has no chapter "${title}"`);
  return TEXT.slice(from, to < 0 ? undefined : to);
}

/** The first file of each line of a numbered list. */
function numbered(chapter: string): string[] {
  return [...chapter.matchAll(/^\d+\. `([^`]+\.ts)`/gm)].map((match) => match[1]!);
}

function named(text: string): string[] {
  return [...text.matchAll(/`((?:gateway|supervisor|scripts|test)\/[^`]+\.ts)`/g)].map((match) => match[1]!);
}
