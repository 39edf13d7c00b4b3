import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readZone, zoneOfChild, zonePath, type EngineZone } from '../../../gateway/core/history/engine-zone.ts';
import { ACCESS, EngineParser } from '../../../scripts/commands/merged/engine-parser.ts';
import { type Asked, mergedLogs } from '../../../scripts/commands/merged/merged-logs.ts';
import { Outlet } from '../../../scripts/commands/merged/outlet.ts';
import { RouteFold } from '../../../scripts/commands/merged/route-fold.ts';
import { keepAsFailed, logFiles, rotate } from '../../../supervisor/system/log-file.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';

const NEW_YORK: EngineZone = { name: 'America/New_York', offsetMinutes: -300 };
const utc = (text: string) => Date.parse(`${text}Z`);

function timesIn(zone: EngineZone | null, latest: string, ...stamps: string[]): string[] {
  const parser = new EngineParser('worker-1', zone);
  return stamps.flatMap((stamp) =>
    parser.parse(`INFO ${stamp} [a.py:1] x`, utc(latest)).map(({ atMs }) => new Date(atMs).toISOString().slice(0, 19)),
  );
}

test("an engine's stamps are read in the zone that it was started in, summer and winter, whatever the reader's is", () => {
  expect(timesIn(NEW_YORK, '2026-12-01T00:00:00', '07-04 12:00:00', '11-29 20:13:04')).toEqual([
    '2026-07-04T16:00:00',
    '2026-11-30T01:13:04',
  ]);
  expect(timesIn({ name: null, offsetMinutes: 330 }, '2026-07-04T12:00:00', '07-04 12:00:00')).toEqual(['2026-07-04T06:30:00']);
  // In the last hours of a year there, the year has begun in UTC.
  expect(timesIn(NEW_YORK, '2026-01-01T02:00:00', '12-31 21:00:00')).toEqual(['2026-01-01T02:00:00']);
  expect(timesIn({ name: 'Pacific/Auckland', offsetMinutes: 780 }, '2025-12-31T12:00:00', '01-01 01:00:00')).toEqual([
    '2025-12-31T12:00:00',
  ]);
});

test('an hour that comes twice is told in the order in which it was printed, and one that was passed over still has a time', () => {
  const times = timesIn(NEW_YORK, '2026-11-02T00:00:00', '11-01 01:50:00', '11-01 01:10:00', '11-01 01:55:00', '11-01 02:00:00');
  expect(times).toEqual(['2026-11-01T05:50:00', '2026-11-01T06:10:00', '2026-11-01T06:55:00', '2026-11-01T07:00:00']);
  expect(timesIn(NEW_YORK, '2026-03-09T00:00:00', '03-08 02:30:00')).toEqual([expect.stringMatching(/^2026-03-08T0[67]:30:00$/)]);
});

test('the zone of a start goes where its log goes, and what nobody has noted is not made up', () => {
  const files = logFiles(join(scratchFolder(), 'logs'), 'worker-1.m');
  const begin = (zone: EngineZone | null) => {
    rotate(files);
    writeFileSync(files.current, 'x\n');
    if (zone) writeFileSync(zonePath(files.current), JSON.stringify(zone));
  };
  begin(NEW_YORK);
  keepAsFailed(files.current, files);
  begin({ name: null, offsetMinutes: 60 });
  expect([files.current, files.previous, files.failed, `${files.current}.1`].map(readZone)).toEqual([
    { name: null, offsetMinutes: 60 },
    NEW_YORK,
    NEW_YORK,
    { name: null, offsetMinutes: 60 },
  ]);
  for (const bad of ['', '{', 'null', '{"offsetMinutes":1e9}', '{"name":"UTC"}', 'x'.repeat(5_000)]) {
    writeFileSync(zonePath(files.current), bad);
    expect(readZone(files.current)).toBeNull();
  }
  rotate(files);
  expect(readZone(files.previous)).toBeNull();
  writeFileSync(zonePath(files.current), '{"name":"Nowhere/Bad","offsetMinutes":-180}');
  expect(readZone(files.current)).toEqual({ name: null, offsetMinutes: -180 });
});

test("a child's zone is ours where it has our TZ, and its own by name where it has another", () => {
  const at = utc('2026-11-30T00:00:00');
  expect(zoneOfChild(undefined, at)?.offsetMinutes).toBe(-new Date(at).getTimezoneOffset());
  expect(zoneOfChild('Asia/Kolkata', at)).toEqual({ name: 'Asia/Kolkata', offsetMinutes: 330 });
  expect(zoneOfChild('<+03>-3', at)).toBeNull();
});

test('the list of routes of a start is one line for people', () => {
  const parser = new RouteFold(new EngineParser('worker-1', NEW_YORK));
  const at = utc('2026-11-30T01:00:00');
  const lines = ['begins', 'Route: /health, Methods: GET', 'Route: /v1/models, Methods: GET', 'ready', 'Route: /x, Methods: GET, POST'];
  const told = lines.flatMap((text) => parser.parse(`(APIServer pid=7) INFO 11-29 20:00:00 [launcher.py:37] ${text}`, at));
  expect([...told, ...parser.rest(at)].map(({ text }) => text.replace('(APIServer pid=7) [launcher.py:37] ', ''))).toEqual([
    'begins',
    '… 2 routes',
    'ready',
    'Route: /x, Methods: GET, POST',
  ]);
});

test("an engine's line for a request is of the time between two stamps, and is told with the later", () => {
  const parser = new EngineParser('worker-1', NEW_YORK);
  const at = utc('2026-11-30T01:00:00');
  const access = 'INFO:     127.0.0.1:1 - "POST /v1/completions HTTP/1.1" 200 OK';
  const lines = [
    'INFO 11-29 20:00:00 [a.py:1] one',
    access,
    'Traceback (most recent call last):',
    'INFO 11-29 20:00:10 [a.py:1] two',
    access,
  ];
  const told = [...lines.flatMap((line) => parser.parse(line, at + 30_000)), ...parser.rest(at + 30_000)];
  expect(
    told.map(({ atMs, sinceMs, level, text }) => [atMs - at, sinceMs === undefined ? null : sinceMs - at, level, ACCESS.test(text)]),
  ).toEqual([
    [0, null, 'info', false],
    [10_000, 0, 'info', true],
    [10_000, 0, 'error', false],
    [10_000, null, 'info', false],
    [30_000, 10_000, 'info', true],
  ]);
});

function request(accesses: number): Promise<string> {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'logs'));
  const at = utc('2026-11-30T01:00:00');
  const iso = (ms: number) => new Date(ms).toISOString();
  const line = (ms: number, event: string, more: object) =>
    `${JSON.stringify({ level: 'info', time: iso(ms), event, msg: event, ...more })}\n`;
  const end = {
    request_id: 'r-7',
    worker: 'worker-1',
    method: 'POST',
    route: '/v1/completions',
    outcome: 'complete',
    duration_ms: 2_000,
    status: 200,
  };
  writeFileSync(join(folder, 'logs/gateway.jsonl'), line(at, 'request.end', end) + line(at + 1_500, 'later', {}));
  const access = (path: string) => `INFO:     127.0.0.1:1 - "${path} HTTP/1.1" 200 OK\n`;
  const engine = [
    'INFO 11-29 19:00:00 [a.py:1] an hour before\n',
    access('POST /v1/completions?x=1').repeat(accesses),
    access('GET /health'),
    'INFO 11-29 20:00:01 [a.py:1] just after\n',
    'INFO 11-29 20:00:02 [a.py:1] two seconds after\n',
    access('POST /v1/completions'),
  ];
  writeFileSync(join(folder, 'logs/worker-1.m.log'), engine.join(''));
  writeFileSync(zonePath(join(folder, 'logs/worker-1.m.log')), JSON.stringify(NEW_YORK));
  let text = '';
  const stream = { on: () => {}, write: (piece: string) => ((text += piece), true) };
  const asked: Asked = {
    stateDir: folder,
    workers: [],
    kind: null,
    fromMs: null,
    lines: null,
    request: 'r-7',
    json: false,
    follow: false,
    colors: false,
  };
  return mergedLogs(asked, new Outlet(stream as unknown as NodeJS.WriteStream)).then(() => text);
}

test('a request ends with its end, with the line of its engine that may be its own, and with none where too many may', async () => {
  const one = await request(1);
  expect(
    one
      .trimEnd()
      .split('\n')
      .map((line) => line.slice(38)),
  ).toEqual([
    expect.stringContaining('POST /v1/completions · worker-1') as string,
    'INFO   127.0.0.1:1 - "POST /v1/completions?x=1 HTTP/1.1" 200 OK',
    'INFO   [a.py:1] just after',
  ]);
  const many = await request(50);
  expect(many.trimEnd().split('\n')).toHaveLength(2);
});
