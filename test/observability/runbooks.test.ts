import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { settingsSchema } from '../../gateway/config/schema/settings.ts';
import { SchemaNode } from '../../gateway/config/schema/walk.ts';
import { boards, DEPLOY } from './asked.ts';

// What an operator who was woken is sent to is there. (That the commands are, test/shape/pages.test.ts holds.)

const PANELS = new Map(boards.map(([, { title, panels }]) => [title, panels.map((panel) => panel.title)]));
const PAGES = [...readdirSync(join(DEPLOY, 'runbooks')).map((name) => `runbooks/${name}`), 'README.md'];

/** Panels that a page sends to, each with its dashboard. */
function sentTo(page: string): [board: string, panel: string][] {
  return page.split('\n').flatMap((line) => {
    let board: string | undefined;
    return [...line.matchAll(/dashboard \*([^*]+)\*|"([^"]+)"/g)].flatMap(([, named, panel]): [string, string][] => {
      if (named !== undefined) board = named;
      return board !== undefined && panel !== undefined ? [[board, panel]] : [];
    });
  });
}

/** A part of a model's settings, which is no setting by itself: `models[].swap`. */
const OF_MODELS = 'swap';
const SCHEMA = new SchemaNode(settingsSchema);
const SECTIONS: ReadonlySet<string> = new Set([...SCHEMA.names!, OF_MODELS]);

/** Settings that a page names, whole, and those whose beginning it has left out. */
function settingsIn(page: string): string[] {
  const named = [...page.matchAll(/`([a-z_\d]+(?:\[\])?(?:\.[a-z_\d]+(?:\[\])?)+)[`:]/g)].map(([, path]) => path!);
  return named.filter((path) => SECTIONS.has(path.split(/[.[]/, 1)[0]!));
}

/** As `models[].swap.dwell_ms`. */
function isThere(path: string): boolean {
  const steps = path.split('.').flatMap((step) => (step.endsWith('[]') ? [step.slice(0, -2), 0] : [step]));
  return SCHEMA.at(steps) !== null;
}

describe.each(PAGES)('%s', (name) => {
  const page = readFileSync(join(DEPLOY, name), 'utf8');

  test('sends to panels that there are', () => {
    for (const [board, panel] of sentTo(page)) expect(PANELS.get(board), `${board}: ${panel}`).toContain(panel);
  });

  test('names settings that there are', () => {
    expect(settingsIn(page).filter((path) => !isThere(path))).toEqual([]);
  });
});

test('the pages do send to panels and name settings, as they are looked for here', () => {
  const texts = PAGES.map((name) => readFileSync(join(DEPLOY, name), 'utf8'));
  const runbooks = texts.slice(0, -1);
  expect(runbooks.length).toBeGreaterThan(20);
  expect(texts.flatMap(sentTo).length).toBeGreaterThan(runbooks.length);
  expect(new Set(texts.flatMap(settingsIn)).size).toBeGreaterThan(20);
  expect(texts.flatMap(settingsIn)).toContain('models[].swap.idle_unload_ms');
});

test('a panel and a setting that are none are told from those that are', () => {
  expect(sentTo('- dashboard *A*, "b" and "c"; dashboard *D*, "e"\n"f"')).toEqual([
    ['A', 'b'],
    ['A', 'c'],
    ['D', 'e'],
  ]);
  expect(
    settingsIn(
      '`telemetry.slow_ms`, `telemetry.slow_ns: 1`, `traces.lost`, `swap.dwell_ms`, `models[].swap.dwell_ms`, `models[].swap.dwell`',
    ).map(isThere),
  ).toEqual([true, false, false, true, false]);
});
