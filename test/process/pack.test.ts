import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { run } from '../support/process.ts';
import { freePort } from '../support/ports.ts';
import { until } from '../support/gateway.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
// Whatever Node this machine has, the packed command runs with the one that runs the tests.
const PATH = `${dirname(process.execPath)}:${process.env['PATH']}`;

test('the packed headgate works where it is installed: --version, bench, sim serve, gateway --worker', { timeout: 480_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-pack-'));
  execFileSync('npm', ['pack', '--pack-destination', folder], { cwd: ROOT, stdio: 'pipe' });
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'))!;
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  execFileSync('npm', ['install', `./${tarball}`, '--prefer-offline', '--no-audit', '--no-fund'], { cwd: folder, stdio: 'pipe' });
  const headgate = join(folder, 'node_modules/.bin/headgate');
  const options = { cwd: folder, env: { PATH, SIM_SPEED: '0.01' } };

  const version = execFileSync(headgate, ['--version'], { env: { ...process.env, PATH }, encoding: 'utf8' });
  expect(version).toMatch(/^headgate \d+\.\d+\.\d+\n$/);

  // Their code is loaded when they run, so one that was left out would be missed only then.
  for (const name of ['load', 'abtest', 'tune', 'release-gate', 'chaos']) {
    const help = execFileSync(headgate, [name, '--help'], { cwd: folder, env: { ...process.env, PATH }, encoding: 'utf8' });
    expect(help).toContain(`headgate ${name}`);
  }

  const measured = join(folder, 'bench.json');
  const bench = ['bench', '--proxies', 'headgate,bare', '--only', 'stream-1', '--rounds', '1', '--seconds', '0.2', '--json', measured];
  execFileSync(headgate, bench, { cwd: folder, env: { ...process.env, PATH }, stdio: 'pipe' });
  const { proxies } = JSON.parse(readFileSync(measured, 'utf8')) as { proxies: { name: string }[] };
  expect(proxies.map(({ name }) => name)).toEqual(['headgate', 'bare']);

  const [simPort, port, engine] = [await freePort(), await freePort(), await freePort(11)];
  await using sim = run(headgate, ['sim', 'serve', 'tiny', '--port', String(simPort)], options);
  await sim.prints(/Application startup complete/);
  await using gateway = run(headgate, ['gateway', '--worker', `http://127.0.0.1:${simPort}`, '--port', String(port)], options);
  await gateway.prints(/Headgate is ready on/);
  const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tiny', messages: [{ role: 'user', content: 'Hello' }], max_tokens: 4 }),
  });
  expect(response.status).toBe(200);
  expect(((await response.json()) as { usage: { completion_tokens: number } }).usage.completion_tokens).toBe(4);

  await using all = run(headgate, ['--port', '0', '--engine', 'sim'], {
    cwd: folder,
    env: { ...options.env, HEADGATE_SUPERVISOR__PORT_RANGE: `[${engine}, ${engine + 10}]` },
  });
  const [line] = await all.prints(/Headgate is ready on (\S+).*/);
  expect(line).toContain('simulated');
  const url = /http:\S+/.exec(line)![0];
  await until(async () => (await fetch(`${url}/readyz`)).status === 200, 'the packed serve is ready');
  process.kill(all.child.pid!, 'SIGINT');
  expect(await all.exited).toBe(0);
});
