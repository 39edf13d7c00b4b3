import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { processTree } from '../../scripts/bench/cpu.ts';
import type { BenchResult } from '../../scripts/bench/result.ts';
import { freePort } from '../support/ports.ts';
import { run } from '../support/process.ts';

const HEADGATE = fileURLToPath(new URL('../../scripts/headgate.ts', import.meta.url));
const RELAY = fileURLToPath(new URL('../../scripts/bench/tools/bare-relay.ts', import.meta.url));

test('the bench measures the gateway beside the bare relay, and a gateway of somebody else, where nothing else is installed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-test-'));
  const [stubPort, port] = [await freePort(), await freePort()];
  await using other = run(process.execPath, [RELAY, String(port), String(stubPort)]);
  await other.prints(/listening/);
  const shape = [
    '--only',
    'aborts,light',
    '--rounds',
    '2',
    '--seconds',
    '0.2',
    '--json',
    'result.json',
    '--compare',
    '--ratios',
    'ratios.json',
  ];
  const beside = ['--against', `other=http://127.0.0.1:${port},${other.child.pid}`, '--stub-port', String(stubPort)];
  await using bench = run(process.execPath, [HEADGATE, 'bench', ...shape, ...beside, '--without', 'gcc,haproxy,nginx'], { cwd: folder });
  // Nobody has recorded ratios there to compare with.
  expect(await bench.exited, bench.output()).toBe(1);
  expect(bench.output()).toContain('Stub and load generator ran in Node');
  expect(bench.output()).toContain('Nothing has been recorded yet');
  expect(bench.output()).toContain('haproxy is not installed');
  expect(bench.output()).toMatch(/\| CPU µs +\| headgate +\| bare +\| other +\| headgate ÷ bare +\|/);

  const { cases, proxies } = JSON.parse(readFileSync(join(folder, 'result.json'), 'utf8')) as BenchResult;
  expect(proxies.map(({ name }) => name)).toEqual(['headgate', 'bare', 'other']);
  for (const { rounds } of cases) {
    for (const name of ['headgate', 'bare', 'other']) {
      expect(rounds[name]?.map(({ errors }) => errors)).toEqual([{}, {}]);
      for (const { figures } of rounds[name]!) {
        expect(figures['cost_us']).toBeGreaterThan(0);
        // The two accounts of the kernel agree, but for their ticks of 10 ms.
        expect(Math.abs(figures['cpu_us']! - figures['ticks_us']!)).toBeLessThan(60_000);
      }
    }
  }
});

test('Ctrl-C ends everything that the bench has started, and nothing is left of it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-test-'));
  await using bench = run(process.execPath, [HEADGATE, 'bench', '--proxies', 'bare', '--only', 'stream-1', '--seconds', '60'], {
    cwd: folder,
    env: { TMPDIR: folder },
  });
  await bench.prints(/warming up/);
  const started = processTree(bench.child.pid!);
  expect(started.length).toBeGreaterThan(2);
  bench.child.kill('SIGINT');
  expect(await bench.exited).toBe(130);
  expect(readdirSync(folder)).toEqual([]);
  await expect.poll(() => started.filter((pid) => processTree(process.pid).includes(pid) || isThere(pid))).toEqual([]);
});

function isThere(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}
