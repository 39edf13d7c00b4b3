import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { defaultSettings } from '../../gateway/config/schema/settings.ts';
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
const OF_MODELS: ReadonlySet<string> = new Set(['swap']);

/** Settings that a page names, whole, and those whose beginning it has left out. */
function settingsIn(page: string): string[] {
  const named = [...page.matchAll(/`([a-z_]+(?:\.[a-z_]+)+)[`:]/g)].map(([, path]) => path!);
  return named.filter((path) => path.split('.', 1)[0]! in defaultSettings() || OF_MODELS.has(path.split('.', 1)[0]!));
}

function isThere(path: string): boolean {
  let place: unknown = defaultSettings();
  for (const step of path.split('.')) {
    if (typeof place !== 'object' || place === null || !(step in place)) return false;
    place = (place as Record<string, unknown>)[step];
  }
  return true;
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

test('a panel and a setting that are none are told from those that are', () => {
  expect(sentTo('- dashboard *A*, "b" and "c"; dashboard *D*, "e"\n"f"')).toEqual([
    ['A', 'b'],
    ['A', 'c'],
    ['D', 'e'],
  ]);
  expect(settingsIn('`telemetry.slow_ms`, `telemetry.slow_ns: 1`, `traces.lost`, `swap.dwell_ms`').map(isThere)).toEqual([
    true,
    false,
    false,
  ]);
});
