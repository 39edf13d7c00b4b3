import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { startDnsServer } from '../support/dns-server.ts';
import { startFakeVllm } from '../support/fake-vllm.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';

const CLI = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));

/** Runs `headgate doctor` in a folder with these settings. */
async function doctor(settings: object, ...args: string[]) {
  const cwd = scratchFolder();
  writeFileSync(join(cwd, 'headgate.yaml'), JSON.stringify({ server: { port: 0 }, ...settings }));
  await using program = run(process.execPath, [CLI, 'doctor', ...args], { cwd, env: { PATH: process.env['PATH'] ?? '' } });
  return { code: await program.exited, out: program.output() };
}

test('of a gateway that launches nothing it tells the workers and what calls are made of, and nothing of GPUs and engines', async () => {
  await using dns = await startDnsServer();
  await using found = await startFakeVllm(['qwen-a', 'qwen-b']);
  await using listed = await startFakeVllm(['small']);
  const name = `vllm.test:${new URL(found.url).port}`;
  dns.answers['A vllm.test'] = ['127.0.0.1'];
  const settings = (fallback: string) => ({
    workers: [{ url: listed.url }, { dns: name }],
    discovery: { dns: { servers: [dns.address] } },
    models: [{ id: 'chat', pool: ['qwen-a'], fallback: [fallback] }],
  });
  const well = await doctor(settings('small'));
  expect(well.out).toMatch(
    /^Workers\n {2}dns vllm\.test:\d+: 1 worker\n {4}http:\S+ {2}vLLM .*qwen-a, qwen-b; .*\n {2}http:\S+ {2}.*small; /,
  );
  expect(well.out).toContain('\nCalls\n  chat is a pool of qwen-a and falls back to small\n');
  expect(well.out).toMatch(/\nNothing stands in the way\.\n$/);
  expect(well.out).not.toMatch(/GPU|Engine|Models|Command|ports|Profile/);
  expect(well.code).toBe(0);
  // Whoever asks for a card by a flag is told of it here, too.
  expect((await doctor(settings('small'), '--profile', 'l4')).out).toMatch(/\nProfile l4 /);

  const typo = await doctor(settings('smal'));
  expect(typo.out).toMatch(/\nStands in the way\n {2}chat: its fallback names smal, which no worker serves; did you mean small\?\n$/);
  expect(typo.code).toBe(1);
});

test('a name that cannot be resolved, and a store that is away, stand in the way', async () => {
  await using dns = await startDnsServer();
  const storePort = await freePort();
  const settings = {
    workers: [{ dns: 'vllm.test:8000' }],
    discovery: { dns: { servers: [dns.address] } },
    state: { url: `redis://127.0.0.1:${storePort}`, when_unavailable: 'allow' },
  };
  const { code, out } = await doctor(settings, '--json');
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({
    ok: false,
    engine: null,
    models: [],
    problems: [
      expect.stringMatching(/^dns vllm\.test:8000 .*; no worker of it is known\.$/),
      expect.stringMatching(
        new RegExp(`^The store of state\\.url \\(127\\.0\\.0\\.1:${storePort}\\) cannot be reached .*Without it nothing is limited `),
      ),
    ],
    sources: [{ answers: false }],
    found_workers: [],
    store: { answers: false },
  });
});
