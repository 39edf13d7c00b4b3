import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { AdminStatus } from '../../gateway/http/pages/admin-answers.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
/** As if its standard output were a terminal. */
const ON_A_TERMINAL = ['--import', 'data:text/javascript,process.stdout.isTTY = true'];

test('while a model loads every place tells the same time, and words and header when to ask again', async () => {
  const [port, engine] = [await freePort(), await freePort(11)];
  const env = {
    SIM_START_MS: '120000',
    TERM: 'xterm',
    HEADGATE_ADMISSION__MAX_QUEUE: '0',
    HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]`,
  };
  const flags = ['--port', String(port), '--engine', 'sim'];
  await using headgate = run(process.execPath, [...ON_A_TERMINAL, CLI, ...flags], { cwd: scratchFolder(), env });
  const url = `http://127.0.0.1:${port}`;
  const status = async () => (await (await fetch(`${url}/admin/status`, { headers: AS_ADMIN })).json()) as AdminStatus;
  const isLoading = async () => (await status().catch(() => null))?.workers[0]?.eta_seconds != null;
  await until(isLoading, 'the worker starts');

  const before = await status();
  const { data } = (await (await fetch(`${url}/v1/models`)).json()) as { data: { headgate: { eta_seconds: number } }[] };
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }] });
  const refusal = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
  const { error } = (await refusal.json()) as { error: { message: string } };
  const after = await status();
  const [, told, again] =
    /is loading\. It should be ready in about (\d+) s\. Ask again in (\d+) s(?:: clients wait a minute at most)?\.$/.exec(error.message) ??
    [];
  expect(refusal.status).toBe(503);
  expect(refusal.headers.get('retry-after')).toBe(again);
  expect(Number(again)).toBeGreaterThanOrEqual(Math.min(45, Number(told)));
  for (const { models, workers } of [before, after]) expect(models[0]!.eta_seconds).toBe(workers[0]!.eta_seconds);
  // It only falls meanwhile.
  const falling = [before.workers[0]!.eta_seconds!, data[0]!.headgate.eta_seconds, Number(told), after.workers[0]!.eta_seconds!];
  expect(falling).toEqual(falling.toSorted((a, b) => b - a));

  // The last line of the terminal, which is taken back, and lines for people above it.
  // oxlint-disable-next-line no-control-regex
  await headgate.prints(/\r\u001b\[2K\S+ · \w+ · \d+ % · about \d+ s left\r/);
  // oxlint-disable-next-line no-control-regex
  expect(headgate.output()).toMatch(/^\r\u001b\[2K\d\d:\d\d:\d\d\.\d{3}Z INFO {2}listening · gateway on /m);
  await using command = run(process.execPath, [CLI, 'status', ...flags]);
  await command.exited;
  expect(command.output()).toMatch(/worker-1 .* starting \(process, \d+ %, about \d+ s left\)/);
});

test('a watch waits for its gateway and survives its restart, and the gateway prints nothing but JSON where no terminal is', async () => {
  const folder = scratchFolder();
  const [port, engine] = [await freePort(), await freePort(11)];
  const env = { SIM_START_MS: '100', HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]`, HEADGATE_LOG__LEVEL: 'warn' };
  const flags = ['--port', String(port), '--engine', 'sim'];
  await using once = run(process.execPath, [CLI, 'status', ...flags], { cwd: folder });
  await using watch = run(process.execPath, [CLI, 'status', '--watch', ...flags], { cwd: folder });
  await watch.prints(/No gateway answers on \S+ \(ECONNREFUSED\)\..* Waiting for it\.\n/);
  expect(await once.exited).toBe(1);

  for (const life of [1, 2]) {
    await using headgate = run(process.execPath, [CLI, ...flags], { cwd: folder, env });
    await headgate.prints(/Headgate is ready on http/);
    const shown = watch.output().length;
    await until(() => /worker-1 .* ready /.test(watch.output().slice(shown)), `life ${life} is shown`);
    headgate.child.kill('SIGINT');
    expect(await headgate.exited).toBe(0);
    const lines = headgate.output().trimEnd().split('\n');
    const events = lines.map((line) => (JSON.parse(line) as { event: string }).event);
    expect(events.filter((event) => event === 'ready')).toHaveLength(1);
    await until(() => watch.output().match(/Waiting for it/g)!.length === life + 1, `the end of life ${life} is told, once`);
  }
  expect(watch.child.exitCode).toBeNull();
});
