import { appendFileSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../../gateway/core/clock.ts';
import type { Line, Parser } from '../../../scripts/commands/merged/line.ts';
import { aroundRequest } from '../../../scripts/commands/merged/one-request.ts';
import { enginePlaces, ourPlaces, type Place } from '../../../scripts/commands/merged/places.ts';
import { Tap } from '../../../scripts/commands/merged/tap.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';

// Every line is read once, however many others there are.

const PARSER: Parser = {
  parse: (text) => [{ atMs: 0, source: 'x', origin: 'log', level: null, text, data: null }],
  rest: () => [],
};

test.each([
  ['a file that is over is never read again', false, null],
  ['a file that goes on is read again at the next look', true, 'two'],
])('%s', (_, isLive, next) => {
  const path = join(scratchFolder(), 'a.jsonl');
  writeFileSync(path, 'one\n');
  const tap = new Tap({ path, offset: 0, parser: PARSER, onTrouble: () => {}, isShared: false, isLive });
  expect(tap.peek()?.text).toBe('one');
  tap.take();
  expect(tap.peek()).toBeNull();
  appendFileSync(path, 'two\n');
  expect(tap.peek()).toBeNull();
  tap.look();
  expect(tap.peek()?.text ?? null).toBe(next);
  tap.close();
});

const ENGINE = 'INFO 03-04 02:13:04 [a.py:1] said';
const access = (port: number) => `INFO:     127.0.0.1:${port} - "POST /v1/x?y=1 HTTP/1.1" 200 OK`;
const T0 = new Date(2026, 2, 4, 2, 13, 4).getTime();

/** The texts that are told of a request beside which so many accesses were logged, and how often each line was parsed. */
async function around(accesses: number, lines: number | null): Promise<{ told: string[]; parsed: number[] }> {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'logs'));
  const said = { level: 'info', time: new Date(T0 + 500).toISOString(), event: 'request.end', request_id: 'r-1', worker: 'worker-1' };
  const request = { ...said, method: 'POST', route: '/v1/x', status: 200, duration_ms: 400, msg: 'the request' };
  const engine = [ENGINE, ...Array.from({ length: accesses }, (_, at) => access(at)), ENGINE.replace('said', 'at last')];
  for (const [name, text] of Object.entries({ 'gateway.jsonl': JSON.stringify(request), 'worker-1.m.log': engine.join('\n') })) {
    writeFileSync(join(folder, 'logs', name), `${text}\n`);
    utimesSync(join(folder, 'logs', name), T0 / 1000 + 60, T0 / 1000 + 60);
  }
  const counts = new Map<string, number>();
  const counted = (place: Place): Place => ({
    ...place,
    parser(wanted) {
      const inner = place.parser(wanted);
      return {
        parse(line, latestMs) {
          counts.set(line, (counts.get(line) ?? 0) + 1);
          return inner.parse(line, latestMs);
        },
        rest: (latestMs) => inner.rest(latestMs),
      };
    },
  });
  const told: Line[] = [];
  const question = {
    ...{ isWanted: () => true, fromMs: null, lines, isPlain: false, follow: false, onTrouble: () => {} },
    places: () => [...ourPlaces(folder), ...enginePlaces(folder, () => true)].map(counted),
    show(some: readonly Line[]) {
      told.push(...some);
      return Promise.resolve(true);
    },
  };
  expect(await aroundRequest(systemClock, question, 'r-1', folder)).toBeNull();
  return { told: told.map(({ text }) => text), parsed: engine.map((line) => counts.get(line) ?? 0) };
}

test("an engine's lines for requests are told beside one where they are few, and not where they say nothing of it", async () => {
  const few = await around(8, null);
  const inside = Array.from({ length: 8 }, (_, at) => `127.0.0.1:${at} - "POST /v1/x?y=1 HTTP/1.1" 200 OK`);
  expect(few.told).toEqual(['[a.py:1] said', ...inside, '[a.py:1] at last', 'the request']);
  const many = await around(9, null);
  expect(many.told).toEqual(['[a.py:1] said', '[a.py:1] at last', 'the request']);
  for (const { parsed } of [few, many]) expect(new Set(parsed)).toEqual(new Set([1]));
});

test('the last lines around a request are as many as were asked for, with those lines or without', async () => {
  expect((await around(9, 2)).told).toEqual(['[a.py:1] at last', 'the request']);
  expect((await around(8, 3)).told).toEqual(['127.0.0.1:7 - "POST /v1/x?y=1 HTTP/1.1" 200 OK', '[a.py:1] at last', 'the request']);
  expect((await around(8, 0)).told).toEqual([]);
});
