import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { AdminStatus } from '../../gateway/http/pages/admin-answers.ts';
import type { HistoryEntry } from '../../gateway/core/history/entry.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

test('a night in which engine, supervisor and gateway are killed is told in order in the morning, while nothing runs', async () => {
  const folder = scratchFolder();
  const [port, engine] = [await freePort(), await freePort(11)];
  const flags = ['--port', String(port), '--engine', 'sim'];
  const options = { cwd: folder, env: { SIM_START_MS: '100', HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]` } };
  const headgate = async (...words: string[]) => {
    await using command = run(process.execPath, [CLI, ...words], options);
    return { code: await command.exited, text: command.output() };
  };
  const status = async () => (await (await fetch(`http://127.0.0.1:${port}/admin/status`, { headers: AS_ADMIN })).json()) as AdminStatus;
  const well = async (): Promise<{ engine: number; supervisor: number }> => {
    let seen = null as AdminStatus | null;
    const isWell = async () =>
      (seen = await status().catch(() => null))?.workers[0]?.state === 'ready' && seen?.supervisor?.answers === true;
    await until(isWell, 'the worker is ready, and its supervisor answers');
    return { engine: seen!.workers[0]!.pid!, supervisor: seen!.supervisor!.pid };
  };

  await using first = run(process.execPath, [CLI, ...flags], options);
  await first.prints(/is ready on/);
  const before = await well();
  process.kill(before.engine, 'SIGKILL');
  await until(async () => (await well()).engine !== before.engine, 'another engine runs');
  process.kill(before.supervisor, 'SIGKILL');
  await until(async () => (await well()).supervisor !== before.supervisor, 'another supervisor runs');
  const last = await well();
  first.child.kill('SIGKILL');
  process.kill(last.supervisor, 'SIGKILL');
  process.kill(last.engine, 'SIGKILL');
  await first.exited;

  await using second = run(process.execPath, [CLI, ...flags], options);
  await second.prints(/is ready on/);
  await well();
  // Neither of the processes that run now has seen it fail.
  const { workers } = await status();
  expect(workers[0]).toMatchObject({ last_failure: { class: 'killed', phase: 'serving' } });
  expect(workers[0]!.log_file).toBe(`${folder}/.headgate/logs/worker-1.qwen2.5-1.5b-instruct-awq.log`);
  second.child.kill('SIGINT');
  expect(await second.exited).toBe(0);

  const [told, forPeople, ofNobody, log, noLog] = await Promise.all([
    headgate('events', '--json'),
    headgate('events', '--worker', 'worker-1', '--since', '1h'),
    headgate('events', '--worker', 'worker-2'),
    headgate('logs', 'worker-1', '--lines', '5'),
    headgate('logs', 'worker-7'),
  ]);
  const night = told.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as HistoryEntry);
  const steps = night.map(({ by, event, state, class: name, stage }) =>
    [by, event, state ?? name ?? stage].filter((part) => part !== undefined).join(' '),
  );
  expect(
    missingInOrder(steps, [
      'gateway gateway.start',
      'supervisor supervisor.start',
      'supervisor worker.state ready',
      'supervisor worker.failure killed',
      'supervisor worker.state ready',
      'gateway supervisor.exit',
      'supervisor supervisor.lost',
      'supervisor worker.adopted',
      'gateway gateway.lost',
      'gateway gateway.start',
      'supervisor supervisor.lost',
      'supervisor worker.state ready',
      'gateway drain begin',
      'supervisor supervisor.end',
    ]),
  ).toEqual([]);

  expect(forPeople.text).toMatch(
    /worker-1 is ready.*\n(?:.*\n)*.*worker-1 failed \(killed, at serving, next: \w+\): The engine was killed/,
  );
  expect(forPeople.text).not.toMatch(/gateway/);
  expect(ofNobody.text).toMatch(/nothing is on record of a worker worker-2; did you mean worker-1\?/);
  expect(log).toMatchObject({ code: 0, text: expect.stringMatching(/APIServer pid=\d+/) });
  expect(noLog).toMatchObject({ code: 1, text: expect.stringMatching(/did you mean worker-1\?/) });
});

/** Those of `wanted` that do not come after the one before. */
function missingInOrder(steps: readonly string[], wanted: readonly string[]): string[] {
  let at = 0;
  return wanted.filter((step) => {
    const found = steps.indexOf(step, at);
    if (found < 0) return true;
    at = found + 1;
    return false;
  });
}
