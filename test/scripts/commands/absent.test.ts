import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { loadSettings } from '../../../gateway/config/load.ts';
import { parseSettingsFlags } from '../../../gateway/config/layers/flags.ts';
import { controlPath } from '../../../gateway/link/control-path.ts';
import { noteWhereabouts } from '../../../gateway/link/whereabouts.ts';
import { whatIsThere } from '../../../scripts/commands/asking/absent.ts';
import { until } from '../../support/gateway.ts';
import { scratchFolder } from '../../supervisor/support/scratch.ts';

const flags = parseSettingsFlags([]);
if (flags.kind === 'usage') throw new Error(flags.problems.join());
const parsed = flags.flags;
const settingsOf = (stateDir: string) =>
  loadSettings({ env: {}, cwd: '/', flags: parsed, readFile: () => Buffer.from(JSON.stringify({ supervisor: { state_dir: stateDir } })) })
    .settings;

test('one that is stopped is told from one that hangs, and either from none', async () => {
  const folder = scratchFolder();
  const script = join(folder, 'headgate.mjs');
  writeFileSync(script, 'setInterval(() => {}, 1000)');
  const child = spawn(process.execPath, [script], { stdio: 'ignore' });
  const pid = child.pid!;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  try {
    noteWhereabouts(folder, { pid, url: 'http://127.0.0.1:9', adminUrl: 'http://127.0.0.1:9', startedAt: '2026-01-01T00:00:00Z' });
    await until(() => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('headgate'), 'it runs');
    expect(await whatIsThere(settingsOf(folder), '/')).toContain(`(process ${pid}, http://127.0.0.1:9) is there and does not answer`);
    child.kill('SIGSTOP');
    await until(() => / T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1')), 'it is stopped');
    expect(await whatIsThere(settingsOf(folder), '/')).toContain(`is there, but stopped: "kill -CONT ${pid}"`);
  } finally {
    child.kill('SIGKILL');
  }
  await gone;
  expect(await whatIsThere(settingsOf(folder), '/')).toContain('none that was started in this folder');
});

test('a supervisor that runs on by itself is told of, with what takes it up and what stops it', async () => {
  const folder = scratchFolder();
  const settings = settingsOf(folder);
  const state = { pid: 77, workers: [{ id: 'worker-1', url: 'http://127.0.0.1:1', state: 'ready' }], models: [] };
  const server = createServer((_, answer) => void answer.end(JSON.stringify(state)));
  await new Promise<void>((resolve) => server.listen(controlPath(settings, '/'), resolve));
  expect(await whatIsThere(settings, '/')).toMatch(
    /runs any more\. Its supervisor \(process 77\), with worker-1 \(ready\), runs on: "headgate serve" .*--stop/,
  );
  server.close();
});
