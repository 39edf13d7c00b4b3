import { Agent, request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { answers, startFakeVllm } from '../support/fake-vllm.ts';
import { scratchFolder } from '../supervisor/support/scratch.ts';
import { run } from '../support/process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FEW = 256;

/** A call of the client's own connection. Resolves with status and reason, or with how the connection failed. */
function ask(port: number, agent: Agent | false, method: 'GET' | 'POST', path: string): Promise<string> {
  return new Promise((resolve) => {
    const headers = { 'content-type': 'application/json' };
    const asked = request({ host: '127.0.0.1', port, path, method, agent, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(`${response.statusCode} ${String(response.headers['x-headgate-reason'] ?? '')}`.trim()));
      response.on('error', () => resolve('cut'));
    });
    asked.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    asked.end(method === 'POST' ? '{"messages":[]}' : undefined);
  });
}

test.skipIf(process.platform === 'win32')(
  'with few open files and many clients some are refused, no worker is blamed, and probes are answered',
  async () => {
    await using worker = await startFakeVllm();
    worker.script = answers.completion();
    const start = `ulimit -n ${FEW} && exec "$0" scripts/headgate.ts gateway --worker ${worker.url} --port 0`;
    await using gateway = run('bash', ['-c', start, process.execPath], {
      cwd: ROOT,
      env: { HEADGATE_SUPERVISOR__STATE_DIR: scratchFolder() },
    });
    const port = Number((await gateway.prints(/is ready on http:\/\/127\.0\.0\.1:(\d+)/))[1]);
    await gateway.prints(/"event":"files\.few","msg":"This process may have only 256 files open/);

    // Each keeps the connection that it has.
    const agents = Array.from({ length: 300 }, () => new Agent({ keepAlive: true, maxSockets: 1 }));
    const seen: string[] = [];
    const probes: string[] = [];
    for (let round = 0; round < 3; round++) {
      const [calls, probe] = await Promise.all([
        Promise.all(agents.map((agent) => ask(port, agent, 'POST', '/v1/chat/completions'))),
        ask(port, false, 'GET', '/livez'),
      ]);
      seen.push(...calls);
      probes.push(probe, await ask(port, false, 'GET', '/livez'));
    }
    for (const agent of agents) agent.destroy();
    const kinds = new Set(seen);
    expect(kinds).toContain('200');
    for (const kind of kinds) expect(['200', '503 queue_full', 'ECONNRESET', 'EPIPE', 'cut', 'socket hang up']).toContain(kind);
    expect(probes.filter((probe) => probe === '200').length).toBeGreaterThanOrEqual(3);
    expect(await ask(port, false, 'POST', '/v1/chat/completions')).toBe('200');
    expect(await ask(port, false, 'GET', '/readyz')).toBe('200');
    await gateway.prints(/"event":"files\.clients"/);
    expect(gateway.output()).not.toMatch(/"event":"breaker"|"event":"worker\.failure"/);
    expect(gateway.output().match(/"event":"files\.clients"/g)).toHaveLength(1);
  },
);

test.skipIf(process.platform === 'win32')(
  'a connection that no file is left for is a failure of ours, and is told with its code',
  async () => {
    await using worker = await startFakeVllm();
    const script = `
    import { openSync } from 'node:fs';
    import { createTransport } from './gateway/workers/wire/transport.ts';
    import { systemClock } from './gateway/core/clock.ts';
    const told = [];
    const transport = createTransport({ url: '${worker.url}', apiKey: null, clock: systemClock, connectMs: () => 3000, onShortage: (what) => told.push(what) });
    try { for (;;) openSync('/dev/null', 'r'); } catch (error) { told.push(error.code); }
    const failure = await new Promise((resolve) => {
      const heard = { onSent() {}, onHead() {}, onFrames() {}, onData() {}, onEnd() {}, onFailed: resolve };
      transport.exchange({ method: 'POST', path: '/v1/completions', headers: {}, body: { bytes: Buffer.from('{}') } }, heard);
    });
    const looked = await transport.get('/health', 3000).catch((error) => error.code ?? error.cause?.code);
    process.stdout.write(JSON.stringify({ told, kind: failure.kind, error: failure.error.kind, looked }) + '\\n');
    process.exit(0);
  `;
    await using child = run('bash', ['-c', `ulimit -n 100 && exec "$0" --input-type=module -e "$1"`, process.execPath, script], {
      cwd: ROOT,
    });
    const [line] = await child.prints(/\{.*\}/);
    expect(JSON.parse(line)).toEqual({ told: ['EMFILE', 'EMFILE', 'EMFILE'], kind: 'short', error: 'queue_full', looked: 'EMFILE' });
  },
);
