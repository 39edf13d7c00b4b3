import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { stayAlive, systemClock } from '../../gateway/core/clock.ts';
import { askState } from '../../gateway/link/ask-state.ts';
import { Silence } from '../../scripts/commands/keeping/silence.ts';
import { SupervisorProcess } from '../../scripts/commands/keeping/supervisor-process.ts';
import { readProcess } from '../../supervisor/system/processes.ts';
import { collectedLog } from '../support/collected-log.ts';
import { createFakeClock } from '../support/fake-clock.ts';
import { until } from '../support/gateway.ts';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

test(
  'a supervisor that hangs is ended and replaced, its engine goes on; one that hangs while it ends is ended with its engine',
  { timeout: 90_000 },
  async () => {
    const folder = scratchFolder();
    const port = await freePort(11);
    const stateDir = join(folder, 'state');
    const control = join(folder, 'control.sock');
    const settings = { supervisor: { engine: 'sim', state_dir: stateDir, control, port_range: [port, port + 9] } };
    writeFileSync(join(folder, 'headgate.yaml'), JSON.stringify(settings));
    const { log, lines } = collectedLog();
    const alive = stayAlive();
    onTestFinished(() => alive.cancel());
    const supervisor = new SupervisorProcess({
      ...{ argv: ['--config', join(folder, 'headgate.yaml')], control, stateDir, log, clock: systemClock, lastHeardOf: () => null },
      onHopeless: () => expect.unreachable(),
      patience: { lookMs: 100, answerMs: 1_500, limits: { silent: 4_000, nobody: 60_000 }, lastSilenceMs: 500 },
    });
    onTestFinished(() => supervisor.killNow());
    const well = async (not = 0): Promise<{ pid: number; engine: number }> => {
      let seen = null as Awaited<ReturnType<typeof askState>>;
      await until(async () => {
        seen = await askState(control);
        return seen !== null && seen.pid !== not && seen.workers[0]?.state === 'ready';
      }, 'a supervisor with a worker that is ready');
      return { pid: seen!.pid, engine: seen!.workers[0]!.pid! };
    };
    await supervisor.start();
    const first = await well();
    process.kill(first.pid, 'SIGSTOP');
    const second = await well(first.pid);
    expect(second.engine).toBe(first.engine);
    expect(readProcess(first.pid)).toBeNull();
    expect(lines.map(({ event }) => event)).toEqual(['supervisor.hung', 'supervisor.exit']);

    process.kill(second.pid, 'SIGSTOP');
    await supervisor.stop(30_000);
    expect(readProcess(second.pid)).toBeNull();
    expect(readProcess(second.engine)).toBeNull();
  },
);

/** Serves the control API as a supervisor does, and is there for `lastMs` more once it has been told to stop and its socket is gone. */
const LINGERER = `
  const [, , , socket, lastMs] = process.argv;
  const server = require('node:http').createServer((asked, answer) => {
    answer.writeHead(asked.method === 'POST' ? 202 : 200).end('{}');
    if (asked.method === 'POST') server.close(), server.closeIdleConnections(), setTimeout(() => process.exit(), Number(lastMs));
  });
  server.listen(socket, () => console.log('it listens'));
`;

async function lingerer(lastMs: number) {
  const folder = scratchFolder();
  const [control, program] = [join(folder, 'control.sock'), join(folder, 'headgate.cjs')];
  writeFileSync(program, LINGERER);
  const running = run(process.execPath, [program, 'supervise', control, String(lastMs)]);
  await running.prints(/it listens/);
  const pid = running.child.pid!;
  const { log, lines } = collectedLog();
  const supervisor = new SupervisorProcess({
    ...{ argv: [], control, stateDir: join(folder, 'state'), log, clock: systemClock, lastHeardOf: () => pid },
    onHopeless: () => expect.unreachable(),
    patience: { lookMs: 60_000, lastSilenceMs: 3_000 },
  });
  await supervisor.start();
  return { supervisor, pid, lines, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() };
}

test('one that somebody else has started has ended when its process has, not when its socket is gone', { timeout: 60_000 }, async () => {
  const alive = stayAlive();
  onTestFinished(() => alive.cancel());
  await using soon = await lingerer(1_000);
  await soon.supervisor.stop(30_000);
  expect(readProcess(soon.pid)).toBeNull();
  expect(soon.lines.map(({ event }) => event)).toEqual(['supervisor.found']);

  await using never = await lingerer(600_000);
  await never.supervisor.stop(30_000);
  expect(readProcess(never.pid)).toBeNull();
  expect(never.lines.map(({ event }) => event)).toEqual(['supervisor.found', 'supervisor.exit']);
});

test('silence counts once it has lasted, and once it has been heard often enough: whoever listens may have been asleep', () => {
  const clock = createFakeClock();
  let now = 0;
  const silence = new Silence({ ...clock, now: () => now }, { silent: 60_000, nobody: 900_000 });
  const hear = (sound: 'answers' | 'silent' | 'nobody', atMs: number): boolean => {
    now = atMs;
    return silence.isTooLong(sound);
  };
  expect(hear('silent', 0)).toBe(false);
  // The machine slept for an hour.
  expect(hear('silent', 3_600_000)).toBe(false);
  expect(hear('answers', 3_601_000)).toBe(false);
  for (let at = 0; at < 60_000; at += 4_000) expect(hear('silent', 4_000_000 + at)).toBe(false);
  expect(hear('silent', 4_060_000)).toBe(true);
  expect(hear('answers', 5_000_000)).toBe(false);
  for (let at = 0; at < 900_000; at += 50_000) expect(hear('nobody', 6_000_000 + at)).toBe(false);
  expect(hear('nobody', 6_900_000)).toBe(true);
});
