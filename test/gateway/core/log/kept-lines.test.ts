import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { KEPT_FILES, keptPath } from '../../../../gateway/core/log/kept-file.ts';
import { keepingPlace, KeptLines, keptLinesPath } from '../../../../gateway/core/log/kept-lines.ts';
import { createLog } from '../../../../gateway/core/log/log.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { until } from '../../../support/gateway.ts';
import { canMount, tinyDisk } from '../../../flow/tiny-disk.ts';
import { scratchFolder } from '../../../supervisor/support/scratch.ts';

const source = (path: string) => JSON.stringify(fileURLToPath(new URL(`../../../../gateway/${path}`, import.meta.url)));
const MIB = 1024 * 1024;

function scene(path = join(scratchFolder(), 'logs', 'gateway.jsonl'), maxBytes = 64 * MIB) {
  const clock = createFakeClock();
  const troubles: string[] = [];
  const lost = (lines: number) => `lost ${lines}\n`;
  const kept = new KeptLines({ path, maxBytes, clock, lost, onUnkept: (reason) => void troubles.push(reason) });
  /** Moves on until the file has, or the troubles have, what is waited for. */
  const until200 = (condition: () => boolean, what: string) =>
    until(async () => {
      await clock.advance(200);
      return condition();
    }, what);
  // It may give way to the next between a look whether it is there and one into it.
  const text = (age = 0): string => {
    try {
      return readFileSync(keptPath(path, age), 'utf8');
    } catch {
      return '';
    }
  };
  return { path, clock, kept, troubles, text, settled: until200 };
}

test('lines are gathered, and come into the file of their log', async () => {
  const { kept, clock, text, path, settled } = scene();
  kept.write('one\n');
  kept.write('zwei ü 😀\n');
  await clock.advance(199);
  expect(text()).toBe('');
  await settled(() => text() === 'one\nzwei ü 😀\n', 'both are there');
  kept.write('three\n');
  await settled(() => text().endsWith('three\n'), 'the third is there');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  expect(clock.pending).toBe(0);
});

test('a full file gives way to the next, and no more than four are kept', async () => {
  const { kept, text, path, settled } = scene(undefined, 4 * 1000);
  const line = (at: number) => `${String(at).padStart(4)} ${'x'.repeat(494)}\n`;
  for (let at = 0; at < 40; at++) {
    kept.write(line(at));
    await settled(() => text().includes(line(at)) || text(1).includes(line(at)), 'the line is there');
  }
  await settled(() => true, 'the last turn is over');
  const files = Array.from({ length: KEPT_FILES + 1 }, (_, age) => text(age));
  const all = files.toReversed().join('');
  expect(files[KEPT_FILES]).toBe('');
  expect(all.endsWith(line(39))).toBe(true);
  // In their order, none missing among those that are left, and not much more than what was granted.
  const numbers = [...all.matchAll(/^ *(\d+) x/gm)].map(([, number]) => Number(number));
  expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, at) => 40 - numbers.length + at));
  expect(numbers.length).toBeGreaterThanOrEqual(6);
  expect(all.length).toBeLessThanOrEqual(5 * 1000);
  expect(path).toMatch(/\.jsonl$/);
});

test('where there is no folder to be made, lines are lost, told of once, and counted in the file as soon as there is one', async () => {
  const state = scratchFolder();
  const { kept, troubles, text, settled } = scene(join(state, 'logs', 'gateway.jsonl'));
  writeFileSync(join(state, 'logs'), 'in the way');
  for (let at = 0; at < 3; at++) {
    kept.write(`gone ${at}\n`);
    await settled(() => troubles.length > 0, 'it is told');
    await settled(() => true, 'all is lost');
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(troubles).toHaveLength(1);
  rmSync(join(state, 'logs'));
  kept.write('again\n');
  await settled(() => text().endsWith('again\n'), 'it is written again');
  expect(text()).toBe('lost 3\nagain\n');
});

test('a folder that is taken away is made anew', async () => {
  const { kept, clock, text, path, settled } = scene();
  kept.write('before\n');
  await settled(() => text() === 'before\n', 'it is there');
  rmSync(dirname(path), { recursive: true });
  await clock.advance(2_000);
  kept.write('after\n');
  await settled(() => text() === 'after\n', 'the next is in a new folder');
});

test('half a line that a killed process has left ends before the next begins', async () => {
  const path = join(scratchFolder(), 'gateway.jsonl');
  writeFileSync(path, 'whole\nhal');
  const { kept, text, settled } = scene(path);
  kept.write('next\n');
  await settled(() => text() === 'whole\nhal\nnext\n', 'both are apart');
});

test('for a disk that does not keep up, so much is held and no more', () => {
  const { kept, text } = scene();
  const line = `${'x'.repeat(99_999)}\n`;
  for (let at = 0; at < 100; at++) kept.write(line);
  kept.flushSync();
  expect(text().length % line.length).toBe(0);
  expect(text().length).toBeGreaterThan(2 * MIB);
  expect(text().length).toBeLessThanOrEqual(4 * MIB);
  kept.write('next\n');
  kept.flushSync();
  expect(text().slice(-20)).toMatch(/lost \d\d\nnext\n$/);
});

test.runIf(canMount())('on a full disk lines are lost and counted, and the next ones are whole', async () => {
  const disk = tinyDisk(1);
  const { kept, troubles, text, settled } = scene(join(disk.path, 'logs', 'gateway.jsonl'));
  kept.write('first\n');
  await settled(() => text() === 'first\n', 'it is there');
  disk.fill();
  for (let at = 0; at < 20; at++) kept.write(`${'x'.repeat(999)}\n`);
  await settled(() => troubles.length === 1, 'it is told');
  disk.makeRoom();
  kept.write('last\n');
  await settled(() => text().endsWith('last\n'), 'it is written again');
  expect(text()).toMatch(/\nlost 20\nlast\n$/);
});

test.each([
  ['returns from its last statement', ''],
  ['exits at once', 'process.exit(0);'],
  ['exits while lines are being written', 'setTimeout(() => { log.info("start", "late"); process.exit(0); }, 200.4);'],
])('no line is missing from the file, or twice in it, when the program %s', async (_, ending) => {
  const path = join(scratchFolder(), 'logs', 'gateway.jsonl');
  const program = `
    import { createLog } from ${source('core/log/log.ts')};
    import { systemClock } from ${source('core/clock.ts')};
    const keep = { path: ${JSON.stringify(path)}, maxBytes: 2 ** 30 };
    const log = createLog({ level: 'info', format: 'pretty', clock: systemClock, keep });
    for (let index = 0; index < 2000; index++) log.info('start', 'line ' + index);
    ${ending}`;
  await promisify(execFile)(process.execPath, ['--input-type=module-typescript', '--eval', program], { maxBuffer: 2 ** 26 });
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  const said = lines.map((line) => (JSON.parse(line) as { msg: string }).msg).filter((msg) => msg !== 'late');
  expect(said).toEqual(Array.from({ length: 2000 }, (_, index) => `line ${index}`));
});

test('several processes that keep their lines in one place lose none to each other, also while files give way', async () => {
  const folder = scratchFolder();
  const path = join(folder, 'gateway.jsonl');
  const program = join(folder, 'program.ts');
  mkdirSync(folder, { recursive: true });
  appendFileSync(
    program,
    `import { createLog } from ${source('core/log/log.ts')};
     import { systemClock } from ${source('core/clock.ts')};
     const log = createLog({ level: 'info', format: 'json', clock: systemClock, destination: { write() {} },
       keep: { path: ${JSON.stringify(path)}, maxBytes: 4 * 250_000 } });
     for (let round = 0; round < 14; round++) {
       for (let at = 0; at < 80; at++) log.info('start', process.argv[2] + ' ' + (round * 80 + at), { message: 'x'.repeat(100) });
       await new Promise((resolve) => setTimeout(resolve, 250));
     }`,
  );
  const ends = ['a', 'b', 'c'].map((name) => once(fork(program, [name]), 'exit'));
  for (const [code] of await Promise.all(ends)) expect(code).toBe(0);
  const files = Array.from({ length: KEPT_FILES }, (_, age) => keptPath(path, age)).filter((file) => existsSync(file));
  expect(files.length).toBeGreaterThan(1);
  const said = files
    .flatMap((file) => readFileSync(file, 'utf8').split('\n').filter(Boolean))
    .map((line) => JSON.parse(line) as { msg: string });
  expect(new Set(said.map(({ msg }) => msg)).size).toBe(3 * 14 * 80);
  expect(said).toHaveLength(3 * 14 * 80);
});

test('what a terminal is shown in another form is kept as JSON', async () => {
  const clock = createFakeClock();
  const keep = keepingPlace(scratchFolder(), 'gateway', 1);
  const shown: string[] = [];
  const log = createLog({ level: 'info', format: 'pretty', clock, destination: { write: (line) => shown.push(line) }, keep });
  log.info('request.end', 'request complete', { status: 200 });
  log.announce('ready', 'Headgate is ready.');
  log.debug('route', 'not asked for');
  log.flush();
  const kept = readFileSync(keep!.path, 'utf8').trimEnd().split('\n');
  expect(shown).toHaveLength(2);
  expect(kept.map((line) => JSON.parse(line) as unknown)).toMatchObject([{ event: 'request.end', status: 200 }, { event: 'ready' }]);
});

test('nothing is kept where that is off, and a supervisor takes little room', () => {
  expect(keepingPlace('/state', 'gateway', 0)).toBeNull();
  expect(keepingPlace('/state', 'gateway', 64)).toEqual({ path: '/state/logs/gateway.jsonl', maxBytes: 64 * MIB });
  expect(keepingPlace('/state', 'supervisor', 64)!.maxBytes).toBe(4 * MIB);
  expect(keepingPlace('/state', 'supervisor', 1)!.maxBytes).toBe(MIB);
  expect(keptLinesPath('/state', 'supervisor')).toBe('/state/logs/supervisor.jsonl');
});
