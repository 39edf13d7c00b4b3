import { execFile, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ApiServer } from '../../scripts/shows/churn/api-server.ts';
import { churn } from '../../scripts/shows/churn/churn.ts';
import { Cluster, NAMESPACE } from '../../scripts/shows/churn/cluster.ts';
import { until } from '../support/gateway.ts';

test.each([
  { processes: 1, seed: 7 },
  { processes: 2, seed: 3 },
])(
  'a churn of pods and of trouble: the routing table of $processes is the truth each time, and no call is lost but what died mid-answer',
  { timeout: 240_000 },
  async ({ processes, seed }) => {
    const said: string[] = [];
    const { settledMs, late, watched, tally, happened } = await churn({
      events: 80,
      seed,
      processes,
      lateMs: 4_000,
      say: (text) => said.push(text),
    });
    expect(
      settledMs.filter((ms) => ms === null),
      said.join('\n'),
    ).toEqual([]);
    expect(late).toEqual([]);
    expect(watched).toBeGreaterThan(0);
    expect([...tally.lost]).toEqual([]);
    expect(tally.whole).toBeGreaterThan(20);
    expect(tally.whole + tally.broken + tally.suspected).toBe(tally.calls);
    expect(happened.size).toBeGreaterThan(12);
  },
);

const NO_KUBECTL = spawnSync('kubectl', ['version', '--client']).status === 0 ? null : 'there is no kubectl on the PATH';

test.skipIf(NO_KUBECTL !== null)(
  `kubectl reads the pretended API server as it reads a real one${NO_KUBECTL ? `: ${NO_KUBECTL}` : ''}`,
  { timeout: 60_000 },
  async () => {
    const cluster = new Cluster();
    await using server = await ApiServer.start(cluster);
    const pod = (n: number) => ({ uid: `u${n}`, address: `10.0.0.${n}`, ready: true });
    cluster.put('one', { pods: [pod(1)] });
    const home = mkdtempSync(join(tmpdir(), 'headgate-kubectl-'));
    const flags = ['--server', server.url, '--kubeconfig', '/dev/null', '--cache-dir', home, '--namespace', NAMESPACE];
    const template = '{{.type}} {{.object.metadata.name}} {{range .object.endpoints}}{{index .addresses 0}} {{end}}{{"\\n"}}';
    const asked = ['get', 'endpointslices', '--watch', '--output-watch-events', '--selector', 'kubernetes.io/service-name=vllm'];
    const kubectl = execFile('kubectl', [...flags, ...asked, '--output', `go-template=${template}`], {
      env: { ...process.env, HOME: home },
    });
    try {
      let said = '';
      kubectl.stdout!.on('data', (text: string) => (said += text));
      kubectl.stderr!.on('data', (text: string) => (said += text));
      await until(() => server.watches === 1, 'a watch');
      server.bookmark();
      cluster.put('two', { pods: [pod(2)] });
      cluster.put('other', { service: 'other', pods: [pod(3)] });
      cluster.put('one', { pods: [pod(1), pod(4)] });
      cluster.delete('two');
      await until(() => said.includes('DELETED'), 'all of it', 20_000).catch((error: unknown) => {
        throw new Error(`${(error as Error).message}: ${said}`);
      });
      expect(said.split('\n').map((line) => line.trim())).toEqual([
        'ADDED one 10.0.0.1',
        'BOOKMARK <no value>',
        'ADDED two 10.0.0.2',
        'MODIFIED one 10.0.0.1 10.0.0.4',
        'DELETED two 10.0.0.2',
        '',
      ]);
    } finally {
      kubectl.kill();
      rmSync(home, { recursive: true, force: true });
    }
  },
);
