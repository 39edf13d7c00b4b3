import { appendFileSync, chmodSync, linkSync, mkdirSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EngineParser } from '../../../scripts/commands/merged/engine-parser.ts';
import type { Line } from '../../../scripts/commands/merged/line.ts';
import { type Asked, mergedLogs } from '../../../scripts/commands/merged/merged-logs.ts';
import { Outlet } from '../../../scripts/commands/merged/outlet.ts';
import { tell } from '../../../scripts/commands/merged/past-and-present.ts';
import { enginePlaces, ourPlaces } from '../../../scripts/commands/merged/places.ts';
import { requestText } from '../../../gateway/core/log/request-text.ts';
import { shownLine } from '../../../scripts/commands/merged/show.ts';
import { beginOfLast } from '../../../scripts/commands/past/tail.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { until } from '../../support/gateway.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';

const local = (year: number, month: number, day: number, ...time: number[]) => new Date(year, month - 1, day, ...time).getTime();
const two = (number: number) => String(number).padStart(2, '0');
/** As an engine stamps it. */
function stamp(ms: number): string {
  const at = new Date(ms);
  return `${two(at.getMonth() + 1)}-${two(at.getDate())} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

const T0 = local(2026, 3, 4, 2, 13, 4);
const iso = (ms: number) => new Date(ms).toISOString();
const logLine = (ms: number, event: string, msg: string, more: object = {}) =>
  `${JSON.stringify({ level: 'info', time: iso(ms), event, ...more, msg })}\n`;
const entry = (ms: number, by: string, event: string, msg: string, more: object = {}) =>
  `${JSON.stringify({ at: iso(ms), by, process: 1, level: 'info', event, msg, ...more })}\n`;

function stateFolder(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'logs'));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text);
    utimesSync(join(folder, name), (T0 + 60_000) / 1000, (T0 + 60_000) / 1000);
  }
  return folder;
}

const ASKED = { workers: [], kind: null, fromMs: null, lines: null, request: null, json: false, follow: false, colors: false } as const;

async function shown(stateDir: string, more: Partial<Asked> = {}): Promise<{ text: string; nothing: string | null; isWrong: boolean }> {
  let text = '';
  const stream = { on: () => {}, write: (piece: string) => ((text += piece), true) };
  const nothing = await mergedLogs({ ...ASKED, stateDir, ...more }, new Outlet(stream as unknown as NodeJS.WriteStream));
  return { text, nothing: nothing?.why ?? null, isWrong: nothing?.isWrong ?? false };
}

function parsed(lines: readonly string[], latestMs: number): Line[] {
  const parser = new EngineParser('worker-1');
  return [...lines.flatMap((line) => parser.parse(line, latestMs)), ...parser.rest(latestMs)];
}

test("engine's lines get their year from when the file was written to, and local time", () => {
  const at = (line: string, latestMs: number) => parsed([line], latestMs)[0]!.atMs;
  expect(at('(APIServer pid=7) INFO 03-04 02:13:04 [a.py:1] x', T0)).toBe(T0);
  expect(at('INFO 12-31 23:59:59 [a.py:1] x', local(2026, 1, 2))).toBe(local(2025, 12, 31, 23, 59, 59));
  expect(at('INFO 01-01 00:00:01 [a.py:1] x', local(2025, 12, 31, 23, 59, 59))).toBe(local(2026, 1, 1, 0, 0, 1));
  expect(at('INFO 02-29 01:02:03 [a.py:1] x', local(2026, 3, 1))).toBe(local(2024, 2, 29, 1, 2, 3));
  // In no calendar: a line like those without a stamp.
  expect(at('INFO 13-45 01:02:03 [a.py:1] x', T0)).toBe(T0);
});

test('a line without a stamp stays with the one before, those at the very beginning with the first that has one', () => {
  const lines = parsed(
    [
      'a banner',
      '(EngineCore pid=9) INFO 03-04 02:13:04 [core.py:1] begins',
      'Traceback (most recent call last):',
      '  File "a.py", line 1',
      'ValueError: no',
      '(EngineCore pid=9) WARNING 03-04 02:13:05 [core.py:2] goes on',
    ],
    T0 + 60_000,
  );
  expect(lines.map(({ atMs, level, text }) => [atMs - T0, level, text])).toEqual([
    [0, null, 'a banner'],
    [0, 'info', '(EngineCore pid=9) [core.py:1] begins'],
    [0, 'error', 'Traceback (most recent call last):'],
    [0, 'error', '  File "a.py", line 1'],
    [0, 'error', 'ValueError: no'],
    [1000, 'warn', '(EngineCore pid=9) [core.py:2] goes on'],
  ]);
});

test('of a progress bar the last is shown, and no line that stands behind one is lost', () => {
  const bar = '\rLoading:   0%\rLoading:  50%\rLoading: 100%\r(EngineCore pid=9) INFO 03-04 02:13:04 [core.py:1] loaded\rCapturing: 10%\r';
  expect(parsed([bar], T0).map(({ text }) => text)).toEqual(['(EngineCore pid=9) [core.py:1] loaded', 'Capturing: 10%']);
  expect(parsed(['usage\r'], T0).map(({ text }) => text)).toEqual(['usage']);
});

test('all are told together by time, nothing twice, each with where it comes from', async () => {
  const folder = stateFolder({
    'logs/gateway.1.jsonl': logLine(T0 - 9_000, 'listening', 'gateway on http://x'),
    'logs/gateway.jsonl': logLine(T0 + 500, 'breaker', 'breaker open', { worker: 'worker-1', reason: 'failures' }) + 'half a li',
    'events-gateway.jsonl':
      entry(T0 + 480, 'gateway', 'breaker', 'breaker open', { worker: 'worker-1', reason: 'failures' }) +
      entry(T0 + 2_500, 'gateway', 'gateway.start', 'The gateway serves.'),
    'events-supervisor.jsonl': entry(T0 + 1_500, 'supervisor', 'worker.failure', 'It died.', {
      worker: 'worker-1',
      class: 'killed',
      advice: 'Wait.',
    }),
    'logs/supervisor.jsonl': logLine(T0 + 1_501, 'worker.failure', 'It died.', { worker: 'worker-1', class: 'killed', advice: 'Wait.' }),
    'logs/worker-1.m.log': `INFO ${stamp(T0)} [a.py:1] one\nTraceback (most recent call last):\n  deep\nINFO ${stamp(T0 + 3_000)} [a.py:1] two\n`,
    'logs/worker-2.m.previous.log': `ERROR ${stamp(T0 + 1_000)} [b.py:1] HF_TOKEN=abcdef\u001b[2J\u0000\n`,
    'logs/worker-2.m.log.1': `INFO ${stamp(T0 - 10_000)} [b.py:1] over the limit\n`,
    'logs/worker-2.m.log': `INFO ${stamp(T0 + 2_000)} [b.py:1] later\n`,
  });
  linkSync(join(folder, 'logs/worker-2.m.previous.log'), join(folder, 'logs/worker-2.m.failed.log'));
  const { text, nothing } = await shown(folder);
  expect(nothing).toBeNull();
  const lines = text.trimEnd().split('\n');
  expect(lines.map((line) => line.slice('YYYY-MM-DDThh:mm:ss.mmmZ  '.length))).toEqual([
    'worker-2    INFO   [b.py:1] over the limit',
    'gateway     INFO   gateway on http://x',
    'worker-1    INFO   [a.py:1] one',
    'worker-1    ERROR  Traceback (most recent call last):',
    'worker-1    ERROR    deep',
    'gateway     INFO   worker-1: breaker open (failures)',
    'worker-2    ERROR  [b.py:1] HF_TOKEN=[redacted]',
    'supervisor  INFO   worker-1 failed (killed): It died. → Wait.',
    'worker-2    INFO   [b.py:1] later',
    'gateway     INFO   The gateway serves.',
    'worker-1    INFO   [a.py:1] two',
  ]);
  expect(lines[5]).toMatch(new RegExp(`^${iso(T0 + 480).replace('.', '\\.')}  `));
  const json = (await shown(folder, { json: true, lines: 3 })).text.trimEnd().split('\n');
  expect(json.map((line) => JSON.parse(line) as unknown)).toEqual([
    { time: iso(T0 + 2_000), source: 'worker-2', level: 'info', msg: '[b.py:1] later' },
    { time: iso(T0 + 2_500), source: 'gateway', level: 'info', event: 'gateway.start', msg: 'The gateway serves.', process: 1 },
    { time: iso(T0 + 3_000), source: 'worker-1', level: 'info', msg: '[a.py:1] two' },
  ]);
  const ofOne = (await shown(folder, { workers: ['worker-1'], fromMs: T0 + 1 })).text;
  expect(ofOne.trimEnd().split('\n')).toHaveLength(3);
  expect(ofOne).not.toContain('worker-2');
  expect((await shown(folder, { kind: 'previous' })).text.trimEnd().split('\n')).toHaveLength(1);
});

test('what several processes have written a little late comes to its place, and a clock that was set back turns no story around', async () => {
  const late = [0, 400, 200, 600].map((ms, at) => logLine(T0 + ms, 'x', `late ${at}`)).join('');
  const back = [0, -3_600_000, -3_500_000].map((ms, at) => logLine(T0 + 10_000 + ms, 'x', `back ${at}`)).join('');
  const { text } = await shown(stateFolder({ 'logs/gateway.jsonl': late + back }));
  expect([...text.matchAll(/(?:late|back) \d/g)].map(([word]) => word)).toEqual([
    'late 0',
    'late 2',
    'late 1',
    'late 3',
    'back 0',
    'back 1',
    'back 2',
  ]);
});

test('huge lines are cut, garbage and what cannot be read is left out, and no file is held whole', async () => {
  const garbage = Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * 7919) % 256));
  const folder = stateFolder({
    'logs/worker-1.m.log': Buffer.concat([
      Buffer.from(`INFO ${stamp(T0)} [a.py:1] ${'y'.repeat(3_000_000)}\n`),
      garbage,
      Buffer.from('\nlast'),
    ]),
    'logs/gateway.jsonl': Buffer.concat([
      garbage,
      Buffer.from(`\n{"time":7}\n[]\nnull\n{"level":{},"time":"x","event":"e","msg":"m"}\n${logLine(T0 + 1, 'x', 'whole')}`),
    ]),
    'events-gateway.jsonl': garbage,
  });
  mkdirSync(join(folder, 'logs', 'worker-2.m.log'));
  const { text } = await shown(folder);
  const lines = text.split('\n');
  expect(lines[0]).toMatch(/y… \(\d+ more characters\)$/);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(17_000);
  expect(text).toContain('whole');
  expect(text).toContain('last');
  // oxlint-disable-next-line no-control-regex
  expect(text).not.toMatch(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
});

test.runIf(process.getuid?.() !== 0)('a file without permission is told of and left out', async () => {
  const folder = stateFolder({ 'logs/worker-1.m.log': 'x\n', 'logs/gateway.jsonl': logLine(T0, 'x', 'there') });
  chmodSync(join(folder, 'logs/worker-1.m.log'), 0);
  expect((await shown(folder)).text).toContain('there');
});

test.each<[string, Record<string, string>, Partial<Asked>, RegExp, boolean?]>([
  ['nothing at all', {}, {}, /nothing is on record in .*--config/, false],
  ['nothing since, nor before', {}, { fromMs: T0 }, /nothing is on record in .*--config/, false],
  [
    'an unknown worker',
    { 'logs/worker-1.m.log': 'x\n' },
    { workers: ['workr-1'] },
    /worker workr-1; did you mean worker-1\? There are logs of worker-1\./,
  ],
  ['no failure', { 'logs/worker-1.m.log': 'x\n' }, { kind: 'failed' }, /no log of a start that failed/],
  [
    'nothing since',
    { 'logs/gateway.jsonl': logLine(T0, 'x', 'm') },
    { fromMs: T0 + 1 },
    /nothing was said since .*; the last was of \d{4}-/,
    false,
  ],
  ['no such request', { 'logs/gateway.jsonl': logLine(T0, 'x', 'm') }, { request: 'r-1' }, /no line of the gateway is about r-1/],
])('there is a word for it where there is %s', async (_, files, more, told, isWrong = true) => {
  expect(await shown(stateFolder(files), more)).toEqual({ text: '', nothing: expect.stringMatching(told) as string, isWrong });
});

test('the last lines are those of the whole, over files that gave way', async () => {
  const lines = Array.from({ length: 50 }, (_, at) => logLine(T0 + at, 'x', `line ${at}.`));
  const folder = stateFolder({ 'logs/gateway.1.jsonl': lines.slice(0, 45).join(''), 'logs/gateway.jsonl': lines.slice(45).join('') });
  const { text } = await shown(folder, { lines: 10 });
  expect([...text.matchAll(/line (\d+)\./g)].map(([, at]) => Number(at))).toEqual([40, 41, 42, 43, 44, 45, 46, 47, 48, 49]);
  expect((await shown(folder, { lines: 0 })).text).toBe('');
  const path = join(folder, 'logs/gateway.jsonl');
  expect(beginOfLast(path, 2)).toBe(lines[45]!.length * 3);
  writeFileSync(path, 'one\ntwo');
  expect([beginOfLast(path, 1), beginOfLast(path, 2), beginOfLast(path, 9)]).toEqual([4, 0, 0]);
});

test('one request is found by its id or that of its trace, with what was said while it ran', async () => {
  const request = {
    request_id: 'r-7',
    trace_id: 'a'.repeat(32),
    worker: 'worker-1',
    status: 502,
    duration_ms: 20_000,
    outcome: 'broken',
    code: 'upstream_error',
  };
  const folder = stateFolder({
    'logs/gateway.2.jsonl': logLine(T0 - 60_000, 'request.end', 'request complete', { request_id: 'r-6', status: 200 }),
    'logs/gateway.jsonl':
      logLine(T0 - 1_000, 'request.end', 'request complete', { request_id: 'r-8', status: 200 }) +
      logLine(T0 + 300, 'request.end', 'request broken', request) +
      logLine(T0 + 1_000, 'breaker', 'breaker open', { worker: 'worker-1', reason: 'failures' }),
    'events-supervisor.jsonl': entry(T0 - 90_000, 'supervisor', 'x', 'long before') + entry(T0 + 4_000, 'supervisor', 'x', 'soon after'),
    'logs/worker-1.m.log': `INFO ${stamp(T0 - 20_000)} [a.py:1] as it began\nINFO:     127.0.0.1:1 - "POST /v1/x HTTP/1.1" 200 OK\nERROR ${stamp(T0)} [a.py:1] dies\nINFO ${stamp(T0 + 9_000)} [a.py:1] long after\n`,
    'logs/worker-2.m.log': `INFO ${stamp(T0)} [a.py:1] elsewhere\n`,
  });
  const { text } = await shown(folder, { request: 'r-7' });
  expect(
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.slice('YYYY-MM-DDThh:mm:ss.mmmZ  '.length)),
  ).toEqual([
    'worker-1    INFO   [a.py:1] as it began',
    'worker-1    ERROR  [a.py:1] dies',
    'gateway     INFO   502 · broken off: upstream_error · worker-1 · 20 s · r-7',
    'gateway     INFO   worker-1: breaker open (failures)',
    'supervisor  INFO   soon after',
  ]);
  expect((await shown(folder, { request: 'a'.repeat(32) })).text).toBe(text);
});

test.each<[object, string]>([
  [
    {
      ...{ method: 'POST', route: '/v1/chat/completions', model: 'm', status: 200, outcome: 'complete', worker: 'worker-1', attempts: 2 },
      ...{ queue_ms: 3.2, window_ms: 0, ttft_ms: 95.4, duration_ms: 812.345, input_tokens: 120, output_tokens: 56, cached_tokens: 64 },
      ...{ finish_reason: 'stop', priority: 'interactive', key: 'app-a', request_id: 'r' },
    },
    '200 POST /v1/chat/completions · m · worker-1 · 2 attempts · 812 ms (first token 95 ms, waited 3.2 ms) · 120 (64 cached) → 56 tokens · stop · key app-a · r',
  ],
  [
    {
      method: 'POST',
      route: '/v1/x',
      status: 429,
      outcome: 'refused',
      code: 'rate_limit_exceeded',
      reason: 'key_limit',
      limit: 'requests',
      duration_ms: 1.23,
    },
    '429 POST /v1/x · refused: rate_limit_exceeded, key_limit, requests · 1.2 ms',
  ],
  [{ status: 499, outcome: 'disconnected', phase: 'stream', duration_ms: 61_000 }, '499 · the client went away (stream) · 61 s'],
  [{}, ''],
])('a request reads as one line: %j', (data, text) => expect(requestText(data as Record<string, unknown>)).toBe(text));

test('colors are by level, and only where they are asked for', () => {
  const line: Line = { atMs: T0, source: 'worker-1', origin: 'engine', level: 'error', text: 'x', data: null };
  const showing = { json: false, width: 8 };
  const colored = shownLine(line, { ...showing, colors: true });
  expect(colored.startsWith('\u001b[31m') && colored.endsWith('x\u001b[0m\n')).toBe(true);
  expect(shownLine(line, { ...showing, colors: false })).not.toContain('\u001b');
  expect(shownLine({ ...line, level: 'info' }, { ...showing, colors: true })).not.toContain('\u001b');
  expect(shownLine(line, { ...showing, json: true, colors: true })).not.toContain('\u001b');
});

test('following goes on over files that give way, new starts, cuts, and workers that come', async () => {
  const folder = stateFolder({
    'logs/gateway.jsonl': logLine(T0, 'x', 'past'),
    'logs/worker-1.m.log': `INFO ${stamp(T0)} [a.py:1] old start\n`,
  });
  const [gateway, engine] = [join(folder, 'logs/gateway.jsonl'), join(folder, 'logs/worker-1.m.log')];
  const said: string[] = [];
  const over = new AbortController();
  const question = {
    ...{ isWanted: () => true, fromMs: null, lines: 10, isPlain: true, follow: true, onTrouble: () => {} },
    places: () => [...ourPlaces(folder), ...enginePlaces(folder, () => true)],
    show(lines: readonly Line[]) {
      said.push(...lines.map(({ text }) => text.replace('[a.py:1] ', '')));
      return Promise.resolve(true);
    },
  };
  const done = tell(systemClock, question, over.signal);
  const comes = (what: string) => until(() => said.at(-1) === what, `${what} is told`);
  await comes('old start');
  appendFileSync(gateway, logLine(T0 + 1, 'x', 'before it gives way'));
  renameSync(gateway, join(folder, 'logs/gateway.1.jsonl'));
  writeFileSync(gateway, logLine(T0 + 2, 'x', 'after it gave way'));
  await comes('after it gave way');
  renameSync(engine, join(folder, 'logs/worker-1.m.previous.log'));
  writeFileSync(engine, `INFO ${stamp(T0)} [a.py:1] new start\nno end`);
  await comes('new start');
  appendFileSync(engine, ' yet\n');
  await comes('no end yet');
  truncateSync(engine, 0);
  appendFileSync(engine, `INFO ${stamp(T0)} [a.py:1] after a cut\n`);
  await comes('after a cut');
  writeFileSync(join(folder, 'logs/worker-9.m.log'), `INFO ${stamp(T0)} [a.py:1] another\n`);
  await comes('another');
  rmSync(join(folder, 'logs'), { recursive: true });
  mkdirSync(join(folder, 'logs'));
  writeFileSync(gateway, logLine(T0 + 3, 'x', 'a new folder'));
  await comes('a new folder');
  over.abort();
  await done;
  expect(said).toEqual([
    'past',
    'old start',
    'before it gives way',
    'after it gave way',
    'new start',
    'no end yet',
    'after a cut',
    'another',
    'a new folder',
  ]);
});
