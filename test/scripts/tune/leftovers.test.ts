import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { endPoint, type Launched } from '../../../scripts/tune/point/leftovers.ts';
import { isAlive, isStartedFor, markOf, STATE_DIR_VARIABLE, startedFor } from '../../../scripts/tune/point/marks.ts';

/** Answers as a supervisor does, and ends when it is told to. Says its port. */
const SUPERVISOR = `
const { createServer } = require('node:http');
const server = createServer((request, response) => {
  response.end(JSON.stringify({ pid: process.pid, workers: [] }));
  if (request.method === 'POST') setTimeout(() => process.exit(0), 10);
}).listen(0, '127.0.0.1', () => console.log(server.address().port));
`;
/** Hears nothing, and says that it is there. */
const DEAF = `process.on('SIGINT', () => {}); process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log(0);`;

function stateDir(): string {
  const made = mkdtempSync(join(tmpdir(), 'headgate-point-'));
  onTestFinished(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function started(program: string, state: string | null): Promise<{ readonly child: ChildProcess; readonly port: number }> {
  const env = { ...process.env, ...(state === null ? {} : { [STATE_DIR_VARIABLE]: state }) };
  const child = spawn(process.execPath, ['-e', program], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(child.stdout!, 'data')) as [Buffer];
  return { child, port: Number(String(line)) };
}

/** Of a point whose gateway is long gone. */
function launched(state: string, port: number): Launched {
  return { process: { pid: process.pid, startTicks: 1 }, stateDir: state, control: `http://127.0.0.1:${port}` };
}

describe('what is left of a point', () => {
  test('is ended; who answers on its port by now, and was not started for it, is left alone', async () => {
    const state = stateDir();
    const [own, foreign, unmarked] = [
      await started(SUPERVISOR, state),
      await started(SUPERVISOR, stateDir()),
      await started(SUPERVISOR, null),
    ];
    const marks = [own, foreign, unmarked].map(({ child }) => markOf(child.pid!));
    expect(await endPoint(launched(state, foreign.port))).toBeNull();
    expect(marks.map(isAlive)).toEqual([false, true, true]);
    expect(await endPoint(launched(state, unmarked.port))).toBeNull();
    expect(isAlive(marks[2]!)).toBe(true);
  });

  test('is told to stop where it answers, and not killed', async () => {
    const state = stateDir();
    const { child, port } = await started(SUPERVISOR, state);
    const exited = once(child, 'exit');
    expect(await endPoint(launched(state, port))).toBeNull();
    expect(await exited).toEqual([0, null]);
  });

  test('is killed where it is deaf: it would start its engines again', async () => {
    const state = stateDir();
    const { child } = await started(DEAF, state);
    const exited = once(child, 'exit');
    expect(startedFor(state).map(({ pid }) => pid)).toEqual([child.pid]);
    expect(await endPoint(launched(state, 1))).toBeNull();
    expect(await exited).toEqual([null, 'SIGKILL']);
    expect(isStartedFor(state, process.pid)).toBe(false);
  });

  test('leaves nothing in this process, however many points there are', async () => {
    const before = process.listenerCount('exit');
    const state = stateDir();
    for (let i = 0; i < 3; i++) await endPoint(launched(state, 1));
    expect(process.listenerCount('exit')).toBe(before);
  });
});
