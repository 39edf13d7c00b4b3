import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../support/ports.ts';
import { writeTinyModel } from './tiny-model.ts';

export interface LlamaServer extends AsyncDisposable {
  readonly url: string;
  readonly process: ChildProcess;
}

/** The program that is there, by LLAMA_SERVER or on the PATH; null: none is. */
export function findLlamaServer(): string | null {
  const program = process.env['LLAMA_SERVER'] ?? 'llama-server';
  const found = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 30_000 });
  return found.error === undefined ? program : null;
}

export function versionOf(program: string): string {
  const { stdout, stderr } = spawnSync(program, ['--version'], { encoding: 'utf8', timeout: 30_000 });
  return /version: .*/.exec(stdout + stderr)?.[0] ?? 'version unknown';
}

/** llama-server with a tiny model of random weights, on a free loopback port; it may not be ready yet. */
export async function startLlamaServer(program: string, flags: readonly string[]): Promise<LlamaServer> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-llama-'));
  const model = join(folder, 'tiny.gguf');
  writeTinyModel(model);
  const port = await freePort();
  const own = ['--model', model, '--alias', 'tiny', '--host', '127.0.0.1', '--port', String(port), '--threads', '1', '--no-warmup'];
  const child = spawn(program, [...own, ...flags], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, LLAMA_LOG_VERBOSITY: '0' },
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    url: `http://127.0.0.1:${port}`,
    process: child,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
