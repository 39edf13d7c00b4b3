import { execFileSync, spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { Line } from '../../../scripts/commands/merged/line.ts';
import { Twice } from '../../../scripts/commands/merged/merge.ts';
import { tell } from '../../../scripts/commands/merged/past-and-present.ts';
import { ourPlaces } from '../../../scripts/commands/merged/places.ts';
import { LineReader } from '../../../scripts/commands/past/line-reader.ts';
import { systemClock } from '../../../gateway/core/clock.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../../scripts/headgate.ts', import.meta.url));
const T0 = Date.UTC(2026, 2, 4, 2, 13, 4);
const logLine = (time: string, msg: string, more: object = {}) => `${JSON.stringify({ level: 'info', time, event: 'x', ...more, msg })}\n`;
const at = (ms: number) => new Date(T0 + ms).toISOString();

function stateFolder(): string {
  const folder = scratchFolder();
  mkdirSync(join(folder, '.headgate', 'logs'), { recursive: true });
  return folder;
}

async function told(stateDir: string, text?: string): Promise<{ lines: Line[]; trouble: string[] }> {
  const [lines, trouble]: [Line[], string[]] = [[], []];
  await tell(systemClock, {
    ...{ isWanted: () => true, fromMs: null, lines: null, isPlain: false, follow: false, places: () => ourPlaces(stateDir) },
    ...(text === undefined ? {} : { text }),
    onTrouble: (path, reason) => void trouble.push(`${path}: ${reason}`),
    show(some) {
      lines.push(...some);
      return Promise.resolve(true);
    },
  });
  return { lines, trouble };
}

test.each([
  ['all', ['logs', '--follow']],
  ['all as JSON', ['logs', '--follow', '--json']],
  ['one engine', ['logs', 'worker-1', '--follow']],
])('following %s ends well when its reader is gone', async (_, args) => {
  const folder = stateFolder();
  const path = join(folder, '.headgate', 'logs', args.includes('worker-1') ? 'worker-1.m.log' : 'gateway.jsonl');
  writeFileSync(path, logLine(at(0), 'past'));
  const child = spawn(process.execPath, [CLI, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let words = '';
  child.stderr.on('data', (piece: Buffer) => (words += piece.toString()));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.stdout.destroy();
  const writing = setInterval(() => appendFileSync(path, logLine(at(1), 'news')), 50);
  try {
    expect(await ended).toBe(0);
    expect(words).not.toMatch(/EPIPE|rror/);
  } finally {
    clearInterval(writing);
    child.kill();
  }
});

test('a file that gave way is read for some seconds more, since others write on to it', async () => {
  const path = join(scratchFolder(), 'gateway.jsonl');
  writeFileSync(path, 'one\n');
  const clock = createFakeClock();
  const reader = new LineReader(path, 0, () => {}, clock);
  expect([reader.read(), reader.read(), reader.goOn()]).toEqual([['one'], null, false]);
  renameSync(path, `${path}.1`);
  writeFileSync(path, 'new\n');
  expect([reader.goOn(), reader.read(), reader.read()]).toEqual([true, ['new'], null]);
  appendFileSync(`${path}.1`, 'late\n');
  appendFileSync(path, 'newer\n');
  expect([reader.read(), reader.read(), reader.goOn()]).toEqual([['late'], ['newer'], false]);
  await clock.advance(4_000);
  appendFileSync(`${path}.1`, 'later\nhalf');
  expect([reader.read(), reader.read()]).toEqual([['later'], null]);
  await clock.advance(2_000);
  expect([reader.read(), reader.read()]).toEqual([['half'], null]);
  appendFileSync(`${path}.1`, 'too late\n');
  expect(reader.read()).toBeNull();
  reader.close();
});

test('one damaged line, a link to itself and a pipe cost no other line', async () => {
  const folder = join(stateFolder(), '.headgate');
  const logs = join(folder, 'logs');
  const deep = `{"level":"info","time":"${at(1)}","event":"x","a":${'['.repeat(9_000)}${']'.repeat(9_000)},"msg":"deep"}\n`;
  writeFileSync(join(logs, 'gateway.jsonl'), logLine(at(0), 'first') + deep + logLine(at(2), 'last'));
  symlinkSync('gateway.3.jsonl', join(logs, 'gateway.3.jsonl'));
  execFileSync('mkfifo', [join(logs, 'gateway.1.jsonl')]);
  const { lines, trouble } = await told(folder);
  expect(lines.map(({ text }) => text)).toEqual(['first', 'deep', 'last']);
  expect(() => JSON.stringify(lines)).not.toThrow();
  expect(trouble).toHaveLength(2);
  expect(trouble.join()).toMatch(/gateway\.3\.jsonl: ELOOP.*gateway\.1\.jsonl: it is no file/);
});

test('a time that cannot be is that of the line before, also where that is not wanted', async () => {
  const folder = join(stateFolder(), '.headgate');
  writeFileSync(
    join(folder, 'logs', 'gateway.jsonl'),
    logLine(at(0), 'before') +
      logLine('+275760-09-13T00:00:00.000Z', 'never', { request_id: 'r-1' }) +
      logLine('1970-01-01T00:00:00.000Z', 'long ago'),
  );
  expect((await told(folder)).lines.map(({ atMs }) => atMs - T0)).toEqual([0, 0, 0]);
  expect((await told(folder, 'r-1')).lines.map(({ atMs, text }) => [atMs - T0, text])).toEqual([[0, 'never']]);
});

test('what both tell is told once, ends of requests are not remembered, and what is remembered is bounded', () => {
  const twice = new Twice();
  const line = (origin: Line['origin'], event: string, msg: string, ms = 0): Line => ({
    ...{ atMs: T0 + ms, source: 'gateway', origin, level: null, text: msg },
    data: { event, msg },
  });
  expect(['log', 'history', 'history'].map((origin) => twice.isTold(line(origin as Line['origin'], 'drain', 'm')))).toEqual([
    false,
    true,
    false,
  ]);
  expect([twice.isTold(line('log', 'request.end', 'm')), twice.isTold(line('history', 'request.end', 'm'))]).toEqual([false, false]);
  for (let one = 0; one <= 2_000; one += 1) twice.isTold(line('log', 'drain', `drain ${one}`));
  expect([twice.isTold(line('history', 'drain', 'drain 0')), twice.isTold(line('history', 'drain', 'drain 2000'))]).toEqual([false, true]);
  for (let one = 0; one < 150; one += 1) twice.isTold(line('log', 'breaker', 'again'));
  const answers = Array.from({ length: 150 }, () => twice.isTold(line('history', 'breaker', 'again')));
  expect(answers.filter(Boolean).length).toBeLessThan(150);
});
