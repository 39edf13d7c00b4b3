import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { environmentOfImage, listOf, stageOf } from '../shape/deploy/containers.ts';
import { event, startFakeVllm } from '../support/fake-vllm.ts';
import { until } from '../support/gateway.ts';
import { freePort } from '../support/ports.ts';

// The image of the gateway without an engine for containers: what its Dockerfile says is done in a folder, and started as it says.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCKERFILE = readFileSync(join(ROOT, 'deploy/docker/Dockerfile'), 'utf8');
const KEPT = readFileSync(join(ROOT, 'deploy/docker/Dockerfile.dockerignore'), 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('!'))
  .map((line) => line.slice(1));
const USER = Number(/^USER (\d+):/m.exec(DOCKERFILE)![1]);
/** Only root may become somebody else; anybody else is without rights already. */
const IDS = process.getuid?.() === 0 ? { uid: USER, gid: USER } : {};

test(
  'the image: built with production dependencies alone, run as nobody with a read-only tree, drained',
  { timeout: 240_000 },
  async () => {
    const image = mkdtempSync(join(tmpdir(), 'headgate-image-'));
    const inImage = (text: string): string => text.replaceAll(/(?<![\w.])\/(src|out|opt|var|tmp)(?![\w])/g, `${image}/$1`);
    for (const folder of ['src', 'opt', 'tmp', 'var/lib/headgate']) mkdirSync(join(image, folder), { recursive: true });
    try {
      build(image, inImage);
      cpSync(join(image, 'out'), join(image, 'opt/headgate'), { recursive: true });
      const packages = readdirSync(join(image, 'opt/headgate/node_modules'));
      expect(packages).toContain('hono');
      for (const ofTests of ['vitest', 'typescript', 'kubernetes-models', 'openai']) expect(packages).not.toContain(ofTests);
      copyFileSync(process.execPath, join(image, 'opt/node'));
      for (const writable of ['tmp', 'var/lib/headgate']) if (IDS.uid !== undefined) chownSync(join(image, writable), IDS.uid, IDS.gid);
      chmodSync(image, 0o755);
      execFileSync('chmod', ['-R', 'a-w,a+rX', join(image, 'opt')]);
      const before = listing(join(image, 'opt'));

      await using worker = await startFakeVllm();
      const { promise: more, resolve: goOn } = Promise.withResolvers<void>();
      worker.script = (_asked, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
        response.write(event('one'));
        void more.then(() => response.end(`${event('two', 'stop')}data: [DONE]\n\n`));
      };
      const [port, probes] = [await freePort(), await freePort()];
      const gateway = stageOf(DOCKERFILE, 'gateway');
      const ofImage = Object.entries(environmentOfImage(DOCKERFILE, 'gateway')).map(([name, value]) => [name, inImage(value)]);
      const env = {
        ...Object.fromEntries(ofImage),
        ...{ PATH: '/usr/bin:/bin', TMPDIR: join(image, 'tmp'), HEADGATE_SERVER__HOST: '127.0.0.1' },
        ...{ HEADGATE_SERVER__PORT: String(port), HEADGATE_SERVER__PROBE_PORT: String(probes), HEADGATE_AUTH__ALLOW_ANONYMOUS: 'true' },
      } as Record<string, string>;
      const options = { cwd: join(image, 'var/lib/headgate'), env, ...IDS };
      const [, ...words] = listOf(gateway, 'ENTRYPOINT').map(inImage);
      const child = spawn(join(image, 'opt/node'), [...words, ...listOf(gateway, 'CMD'), '--worker', worker.url], {
        ...options,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let said = '';
      for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece: Buffer) => (said += piece.toString('utf8')));
      const status = (path: string): Promise<number> =>
        fetch(`http://127.0.0.1:${probes}${path}`).then(
          (each) => each.status,
          () => 0,
        );
      const [, , script] = listOf(
        gateway.map((line) => line.replace(/^HEALTHCHECK .*?CMD /, 'HEALTH ')),
        'HEALTH',
      );
      const isHealthy = (): boolean =>
        spawnSync(join(image, 'opt/node'), ['-e', script!.replace('8081', String(probes))], options).status === 0;
      try {
        await until(async () => {
          if (child.exitCode !== null) throw new Error(said);
          return (await status('/readyz')) === 200;
        }, 'the image is ready');
        expect(await status('/startupz')).toBe(200);
        expect(isHealthy()).toBe(true);
        const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hello' }], stream: true }),
        });
        expect(response.status).toBe(200);
        const answer = response.text();

        child.kill('SIGTERM');
        await until(async () => (await status('/readyz')) === 503, 'it says that it takes nothing more');
        expect(await status('/livez')).toBe(200);
        goOn();
        expect(await answer).toContain('two');
        expect(await answer).toMatch(/data: \[DONE\]\n\n$/);
        if (child.exitCode === null) await once(child, 'exit');
        expect(child.exitCode, said).toBe(0);
        expect(isHealthy()).toBe(false);
      } finally {
        child.kill('SIGKILL');
      }
      expect(listing(join(image, 'opt'))).toEqual(before);
      expect(readdirSync(join(image, 'var/lib/headgate'))).toEqual(['.headgate']);
    } finally {
      execFileSync('chmod', ['-R', 'u+w', image]);
      rmSync(image, { recursive: true, force: true });
    }
  },
);

/** Does what the first stage of the Dockerfile says, but that npm may use what it has fetched before. */
function build(image: string, inImage: (text: string) => string): void {
  const src = join(image, 'src');
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH']}`, npm_config_prefer_offline: 'true' };
  for (const line of stageOf(DOCKERFILE, 'build')) {
    const [, instruction, rest] = /^(\w+) (.*)$/.exec(line)!;
    if (instruction === 'WORKDIR') expect(inImage(rest!)).toBe(src);
    else if (instruction === 'RUN') execFileSync('sh', ['-ec', inImage(rest!)], { cwd: src, env, stdio: 'pipe' });
    else if (instruction === 'COPY') {
      const names = rest!.split(' ').slice(0, -1);
      for (const name of names.includes('.') ? KEPT : names) cpSync(join(ROOT, name), join(src, name), { recursive: true });
    } else throw new Error(`${line}: the rehearsal knows no ${instruction}`);
  }
}

/** Every file, with its size and when it was changed. */
function listing(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => {
      const { size, mtimeMs } = statSync(join(folder, name));
      return `${name} ${size} ${mtimeMs}`;
    })
    .toSorted();
}
