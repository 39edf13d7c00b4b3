import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clearAtEnd } from '../../shows/left-behind.ts';
import { freePort, until } from '../../shows/scene.ts';

const START_MS = 10_000;

/** The program of this machine, or null. */
function redisProgram(): string | null {
  return ['valkey-server', 'redis-server'].find((name) => spawnSync(name, ['--version']).status === 0) ?? null;
}

/** Why none can be started here; null: one can. */
export function whyNoRedis(): string | null {
  return redisProgram() === null ? 'no valkey-server and no redis-server on the PATH' : null;
}

/** A Valkey or Redis of its own on loopback. */
export class Redis {
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'headgate-chaos-redis-'));
  readonly #clear = clearAtEnd({ folder: this.#folder });
  #child: ChildProcess | null = null;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(): Promise<Redis> {
    const made = new Redis(await freePort());
    const words = ['--port', String(made.port), '--bind', '127.0.0.1', '--dir', made.#folder, '--save', '', '--appendonly', 'no'];
    made.#child = spawn(redisProgram()!, words, { cwd: made.#folder, stdio: 'ignore', detached: true });
    try {
      await until(() => answers(made.port), 'Redis answers', START_MS);
    } catch (error) {
      await made.stop();
      throw error;
    }
    return made;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child !== null && child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    this.#clear();
  }
}

/** Whether somebody accepts connections there. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
