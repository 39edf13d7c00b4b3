import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { save } from '../../scripts/commands/bundling/save.ts';
import { canMount, tinyDisk } from '../flow/tiny-disk.ts';
import { ADMIN_KEY } from '../support/admin.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { startTestGateway } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function bundle(cwd: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const env = { ...process.env, HEADGATE_ADMIN__KEY: ADMIN_KEY, HF_TOKEN: 'hf_PlantedHubTokenAbCd12345678' };
    const options = { cwd, env, timeout: 100_000, maxBuffer: 16 * 1024 * 1024 };
    execFile(process.execPath, [CLI, 'bundle', '--engine', 'sim', ...args], options, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), out, err }),
    );
  });
}

test('of a running gateway it writes one file, which nobody else may read and which lies over no other', async () => {
  await using worker = await startFakeVllm();
  await using gateway = await startTestGateway([worker.url]);
  await gateway.gateway.firstReady;
  const folder = scratchFolder();
  const made = await bundle(folder, '--port', String(gateway.port));
  expect(made).toMatchObject({ code: 0, err: expect.stringContaining('look it over before you send it') as unknown });
  const [name] = readdirSync(folder).filter((each) => each.startsWith('headgate-bundle-'));
  const path = join(folder, name!);
  expect(made.out).toMatch(new RegExp(`^${path} \\(\\d+ KiB\\)\n$`));
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const text = readFileSync(path, 'utf8');
  const { seen_here: seen, status, made_without_gateway: without } = JSON.parse(text) as any;
  expect(seen.doctor.engine.kind).toBe('sim');
  expect(status.workers).toHaveLength(1);
  expect(without).toBeUndefined();
  expect(text).not.toMatch(/PlantedHub|the-key-of-test/);
  expect(text).not.toContain(folder);

  const again = await bundle(folder, '--port', String(gateway.port), '-o', name!);
  expect(again).toMatchObject({ code: 1, err: expect.stringContaining('is there already') as unknown });
  expect(readFileSync(path, 'utf8')).toBe(text);
});

test('where nothing runs it is made of the state folder, goes to standard output if asked, and says so', async () => {
  const folder = scratchFolder();
  const port = String(await freePort());
  writeFileSync(join(folder, 'headgate.yaml'), `server: { port: ${port} }\nretry: { max_atempts: 1 }\nadmin: { key: ${ADMIN_KEY} }\n`);
  const [bare, other] = await Promise.all([bundle(folder, '-o', '-'), bundle(folder, '-o', 'a/b.json')]);
  expect(bare.code).toBe(0);
  expect(bare.err).toContain('No gateway answers on');
  expect(JSON.parse(bare.out)).toMatchObject({
    made_without_gateway: expect.stringContaining('ECONNREFUSED') as unknown,
    history: { entries: [] },
    seen_here: { settings_problems: expect.arrayContaining([expect.stringContaining('max_atempts')]) as unknown },
  });
  expect(other).toMatchObject({ code: 1, err: expect.stringContaining('There is no folder') as unknown });

  const logs = join(folder, '.headgate', 'logs');
  mkdirSync(logs, { recursive: true });
  const entry = { at: new Date().toISOString(), by: 'supervisor', process: 1, level: 'error', event: 'worker.failure', msg: 'It died.' };
  const failure = { worker: 'worker-1', class: 'oom-kv', phase: 'start', message: 'It died.', advice: 'Lower max-model-len.' };
  writeFileSync(join(folder, '.headgate', 'events-supervisor.jsonl'), `${JSON.stringify({ ...entry, ...failure })}\n{half`);
  writeFileSync(
    join(logs, 'worker-1.m.failed.log'),
    `INFO 11-30 00:00:00 [core.py:1] loading\n${'x'.repeat(2_000_000)}\nRuntimeError: CUDA error\n`,
  );
  const made = await bundle(folder, '-o', 'mine.json');
  expect(made).toMatchObject({
    code: 0,
    err: expect.stringContaining('failed last with oom-kv at start (Lower max-model-len.)') as unknown,
  });
  const found = JSON.parse(readFileSync(join(folder, 'mine.json'), 'utf8')) as any;
  expect(found.history).toMatchObject({ broken_lines: 1, entries: [{ event: 'worker.failure', class: 'oom-kv' }] });
  expect(found.engine_logs.last_failed).toMatchObject({
    head: ['INFO 11-30 00:00:00 [core.py:1] loading'],
    tail: ['RuntimeError: CUDA error'],
  });
  expect(found.kept_logs).toBeUndefined();
  const parts = found.left_out.map(({ part }: { part: string }) => part);
  expect(parts).toEqual(['status', 'stats', 'runtime', 'canary', 'supervisor', 'stores', 'gateway_log', 'metrics', 'kept_logs']);
  expect(made.err).not.toMatch(/"(?:gateway_log|kept_logs)"/);
  const line = (event: string, msg: string) => `${JSON.stringify({ level: 'info', time: entry.at, event, msg })}\n`;
  writeFileSync(join(logs, 'gateway.1.jsonl'), line('listening', 'of the life before'));
  writeFileSync(join(logs, 'gateway.jsonl'), `${line('drain', 'of its end')}${line('nobody.knows', 'secret')}{half`);
  writeFileSync(join(logs, 'supervisor.jsonl'), line('supervisor.start', 'x').repeat(5_000));
  const kept = await bundle(folder, '-o', '-');
  const { gateway, supervisor } = JSON.parse(kept.out).kept_logs as any;
  expect(gateway).toMatchObject({ older_bytes_unread: 0, lines_left_out: 2 });
  expect(gateway.newest_first.map(({ msg }: { msg: string }) => msg)).toEqual(['of its end', 'of the life before']);
  expect(supervisor.older_bytes_unread).toBeGreaterThan(0);
  expect(supervisor.newest_first.length).toBeGreaterThan(100);
  expect(kept.err).toContain('"kept_logs"');
  expect((await bundle(folder, '-o', 'mine.json')).err).toContain('is there already');
});

test('a gateway that hangs is not waited for', async () => {
  const folder = scratchFolder();
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as { port: number };
  const made = await bundle(folder, '--port', String(port), '-o', 'x.json');
  silent.close();
  expect(made).toMatchObject({ code: 0, err: expect.stringContaining('ETIMEDOUT') as unknown });
  expect(JSON.parse(readFileSync(join(folder, 'x.json'), 'utf8'))).toMatchObject({ headgate_bundle: 1 });
});

test.skipIf(!canMount())('a full disk leaves no half of a file, and is told of with what to do', async () => {
  const disk = tinyDisk(4);
  const path = join(disk.path, 'bundle.json');
  expect(await save(path, 'x'.repeat(64 * 1024 * 1024))).toMatch(/^The disk is full \(ENOSPC\)/);
  expect(existsSync(path)).toBe(false);
  expect(await save(path, 'x')).toBeNull();
});
