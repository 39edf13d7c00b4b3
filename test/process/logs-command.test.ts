import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { AdminStatus } from '../../gateway/http/pages/admin-answers.ts';
import { AS_ADMIN } from '../support/admin.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const REQUESTS = 12;

interface Told {
  readonly time: string;
  readonly source: string;
  readonly event?: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

test('what several processes, the supervisor and an engine that is killed have said is told together, each thing once', async () => {
  const folder = scratchFolder();
  const [port, engine, nobody] = [await freePort(), await freePort(11), await freePort()];
  const options = {
    cwd: folder,
    env: {
      SIM_START_MS: '100',
      HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 9}]`,
      HEADGATE_SERVER__PROCESSES: '2',
      HEADGATE_TELEMETRY__OTLP_ENDPOINT: `http://127.0.0.1:${nobody}`,
    },
  };
  const headgate = async (...words: string[]) => {
    await using command = run(process.execPath, [CLI, ...words], options);
    return { code: await command.exited, text: command.output() };
  };
  const worker = async () => {
    const answer = await fetch(`http://127.0.0.1:${port}/admin/status`, { headers: AS_ADMIN });
    return ((await answer.json()) as AdminStatus).workers[0];
  };
  const ask = async (id: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
      method: 'POST',
      // Each connection is some process's.
      headers: { 'content-type': 'application/json', 'x-request-id': id, connection: 'close' },
      body: JSON.stringify({ max_tokens: 2, messages: [{ role: 'user', content: 'hello' }] }),
    });
    await answer.text();
    return answer.status;
  };

  await using serving = run(process.execPath, [CLI, '--port', String(port), '--engine', 'sim'], options);
  await serving.prints(/is ready on/);
  await using following = run(process.execPath, [CLI, 'logs', '--follow', '--lines', '1'], options);
  await following.prints(/\n/);
  for (let at = 0; at < REQUESTS; at++) expect(await ask(`r-${at}`)).toBe(200);
  await following.prints(new RegExp(`gateway +INFO +200 POST /v1/chat/completions .* r-${REQUESTS - 1}\n`));
  const before = (await worker())!.pid!;
  process.kill(before, 'SIGKILL');
  await following.prints(/supervisor +\w+ +worker-1 failed \(killed/);
  await until(async () => {
    const now = await worker();
    return now?.state === 'ready' && now.pid !== before;
  }, 'another engine runs');
  // What the next engine prints comes to a file of the same name.
  await following.prints(/worker-1 failed \(killed(?:.*\n)*.*worker-1 +INFO +.*Application startup complete/);
  serving.child.kill('SIGINT');
  expect(await serving.exited).toBe(0);

  const [all, one, previous, own] = await Promise.all([
    headgate('logs', '--since', '1h', '--json'),
    headgate('logs', '--request', 'r-3', '--json'),
    headgate('logs', 'worker-1', '--previous', '--lines', '5'),
    headgate('logs', 'worker-1', '--since', '1h'),
  ]);
  const read = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Told);
  expect(all.code).toBe(0);
  const lines = read(all.text);
  expect(new Set(lines.map(({ source }) => source))).toEqual(new Set(['gateway', 'supervisor', 'worker-1']));
  const requests = lines.filter(({ event }) => event === 'request.end');
  // In whatever order: each process tells of its own when it comes to it.
  expect(requests.map(({ request_id: id }) => Number(String(id).slice(2))).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: REQUESTS }, (_, at) => at),
  );
  for (const request of requests)
    expect(request).toMatchObject({
      ...{ source: 'gateway', level: 'info', status: 200, worker: 'worker-1' },
      trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) as unknown,
      span_id: expect.stringMatching(/^[0-9a-f]{16}$/) as unknown,
    });
  // History and log both have them.
  for (const event of ['worker.failure', 'gateway.start', 'supervisor.start', 'supervisor.end'])
    expect(
      lines.filter((line) => line.event === event),
      event,
    ).toHaveLength(1);
  const ours = lines.filter(({ event }) => event !== undefined).map(({ time }) => time);
  expect(ours).toEqual(ours.toSorted());

  const found = read(one.text);
  expect(found.filter(({ event }) => event === 'request.end')).toEqual([requests[3]]);
  const byTrace = await headgate('logs', '--request', String(requests[3]!['trace_id']), '--json');
  expect(read(byTrace.text)).toEqual(found);
  expect(previous).toMatchObject({ code: 0, text: expect.stringMatching(/previous\.log\n/) as unknown });
  expect(own.text).toMatch(/supervisor .*worker-1 failed/);
  expect(own.text).not.toMatch(/gateway on http/);
});
