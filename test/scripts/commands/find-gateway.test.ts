import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSettings, type LoadedSettings } from '../../../gateway/config/load.ts';
import { parseSettingsFlags } from '../../../gateway/config/layers/flags.ts';
import { noteWhereabouts, readWhereabouts } from '../../../gateway/link/whereabouts.ts';
import { adminDoor } from '../../../scripts/commands/asking/admin-door.ts';
import { findGateway } from '../../../scripts/commands/asking/find-gateway.ts';
import { startFakeVllm } from '../../support/fake-vllm.ts';
import { startTestGateway } from '../../support/gateway.ts';
import { freePort } from '../../support/ports.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';

function settings(stateDir: string, more: object = {}, argv: readonly string[] = []): LoadedSettings {
  const parsed = parseSettingsFlags(argv);
  if (parsed.kind === 'usage') throw new Error(parsed.problems.join());
  const file = JSON.stringify({ supervisor: { state_dir: stateDir }, ...more });
  return loadSettings({
    env: {},
    cwd: '/',
    flags: parsed.flags,
    readFile: (path) => (path === '/headgate.yaml' ? Buffer.from(file) : null),
  });
}

/** A gateway that has this state folder. */
async function gatewayOf(folder: string, more: Parameters<typeof startTestGateway>[1] = {}) {
  const worker = await startFakeVllm();
  const gateway = await startTestGateway([worker.url], more, undefined, folder);
  return {
    ...gateway,
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      await worker[Symbol.asyncDispose]();
    },
  };
}

const records = (folder: string) => readdirSync(folder).filter((name) => name.startsWith('gateway-'));

test('a gateway is found by its folder whatever its port, and takes its address back when it ends', async () => {
  const folder = scratchFolder();
  const adminPort = await freePort();
  {
    await using gateway = await gatewayOf(folder, { admin: { port: adminPort } });
    const loaded = settings(folder);
    expect(await findGateway(loaded, '/', 'api')).toEqual({ base: gateway.url, others: [], isGuess: false });
    expect(await findGateway(loaded, '/', 'admin')).toEqual({ base: `http://127.0.0.1:${adminPort}`, others: [], isGuess: false });
  }
  expect(records(folder)).toEqual([]);
  expect(await findGateway(settings(folder), '/', 'api')).toEqual({ base: 'http://127.0.0.1:8080', others: [], isGuess: true });
});

test('the key of this folder is for the gateway of this folder, by whatever name it is called', async () => {
  const [folder, elsewhere] = [scratchFolder(), scratchFolder()];
  const adminPort = await freePort();
  await using here = await gatewayOf(folder, { admin: { key: 'k'.repeat(24), port: adminPort } });
  await using there = await gatewayOf(elsewhere);
  const admin = { key: 'k'.repeat(24) };
  const door = async (base: string, more: object = {}, given: string | null = null) =>
    await adminDoor(settings(folder, { admin: { ...admin, ...more } }), '/', base, given);
  expect(await door(here.url)).toEqual({ base: here.url, key: admin.key });
  expect(await door(`http://localhost:${here.port}/v1`, { port: adminPort })).toEqual({
    base: `http://127.0.0.1:${adminPort}`,
    key: admin.key,
  });
  expect(await door(there.url)).toEqual({ base: there.url, key: null });
  expect(await door('http://198.51.100.7:8080/v1', { port: adminPort })).toEqual({ base: 'http://198.51.100.7:8080', key: null });
  // Who names a key means it, whatever lies in the folder.
  expect(await door(there.url, {}, 'named')).toEqual({ base: there.url, key: 'named' });
  writeFileSync(join(folder, 'admin.key'), 'half a key', { mode: 0o600 });
  expect(await door(here.url, { key: null }, 'named')).toEqual({ base: here.url, key: 'named' });
  await expect(door(here.url, { key: null })).rejects.toThrow('admin.key');
  await here.stop();
  expect(await door(here.url)).toEqual({ base: here.url, key: null });
});

test('what a flag names is meant; what the settings name is meant where Headgate answers there', async () => {
  const [folder, elsewhere] = [scratchFolder(), scratchFolder()];
  await using here = await gatewayOf(folder);
  await using there = await gatewayOf(elsewhere);
  const base = async (more: object, argv: string[] = []) => (await findGateway(settings(folder, more, argv), '/', 'api')).base;
  expect(await base({}, ['--port', String(there.port)])).toBe(there.url);
  const nobody = await freePort();
  expect(await base({}, ['--port', String(nobody)])).toBe(`http://127.0.0.1:${nobody}`);
  expect(await base({ server: { port: there.port } })).toBe(there.url);
  expect(await base({ server: { port: nobody } })).toBe(here.url);
});

test('records of gateways that are gone, or whose port is another program, are passed over', async () => {
  const folder = scratchFolder();
  const stranger = createServer((_, response) => response.end('{"version":"1"}'));
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve));
  const note = (pid: number, port: number, startedAt: string) => {
    const url = `http://127.0.0.1:${port}`;
    return noteWhereabouts(folder, { pid, url, adminUrl: url, startedAt });
  };
  await using gateway = await gatewayOf(folder);
  note(2_000_000_001, (stranger.address() as AddressInfo).port, '2999-01-01T00:00:00.000Z');
  note(2_000_000_002, await freePort(), '2999-01-02T00:00:00.000Z');
  writeFileSync(join(folder, 'gateway-2000000003.json'), '{"pid": 3, "url": "file:///etc/passwd"');
  writeFileSync(join(folder, 'gateway-2000000004.json'), '{"pid": 3, "url": "https://u:p@elsewhere/", "adminUrl": 1, "startedAt": ""}');
  expect(await findGateway(settings(folder), '/', 'admin')).toEqual({ base: gateway.url, others: [], isGuess: false });
  stranger.close();
});

test('of several in one folder the newest is meant, and the others are told of', async () => {
  const folder = scratchFolder();
  await using older = await gatewayOf(folder);
  const old = readWhereabouts(folder)[0]!;
  noteWhereabouts(folder, { ...old, pid: 2_000_000_001, startedAt: '2020-01-01T00:00:00.000Z' });
  await using newer = await gatewayOf(folder);
  expect(await findGateway(settings(folder), '/', 'api')).toEqual({ base: newer.url, others: [older.url], isGuess: false });
});

test('one that was killed, and started again at the same address, is one', async () => {
  const folder = scratchFolder();
  await using gateway = await gatewayOf(folder);
  noteWhereabouts(folder, { ...readWhereabouts(folder)[0]!, pid: 2_000_000_001, startedAt: '2020-01-01T00:00:00.000Z' });
  expect(await findGateway(settings(folder), '/', 'api')).toEqual({ base: gateway.url, others: [], isGuess: false });
});

test('what killed gateways leave behind does not pile up, and listening everywhere is asked for here', () => {
  const folder = scratchFolder();
  for (let pid = 1; pid <= 40; pid++) {
    const url = `http://0.0.0.0:${pid}`;
    noteWhereabouts(folder, { pid, url, adminUrl: 'http://[::]:7', startedAt: new Date(pid * 1_000).toISOString() });
  }
  expect(records(folder).length).toBe(16);
  expect(readWhereabouts(folder)[0]).toMatchObject({ pid: 40, url: 'http://127.0.0.1:40', adminUrl: 'http://[::1]:7' });
});
