import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from './gateway.ts';
import { freePort } from './ports.ts';

const PROGRAM = ['valkey-server', 'redis-server'].find((name) => spawnSync(name, ['--version']).status === 0) ?? null;

/** For the name of a test that needs one and finds none. */
export const NO_REDIS_SERVER: string | null =
  PROGRAM === null ? 'there is no valkey-server and no redis-server on the PATH (apt-get install redis-server)' : null;

const MOST_TRIES = 5;

export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Its answer to a command, as it writes it. */
  ask(...words: readonly string[]): Promise<string>;
  /** It does nothing more, and keeps its connections. */
  pause(): void;
  resume(): void;
  /** It is gone, by SIGKILL, and all that it knew. */
  kill(): Promise<void>;
  /** Another one on the same port. */
  restart(): Promise<void>;
}

/** A server on loopback that keeps nothing on a disk. @throws where there is none: see NO_REDIS_SERVER */
export async function startRedisServer(options: readonly string[] = []): Promise<RedisServer> {
  if (PROGRAM === null) throw new Error(NO_REDIS_SERVER!);
  const folder = mkdtempSync(join(tmpdir(), 'headgate-redis-'));
  let port = await freePort();
  let child: ChildProcess | null = null;
  /** @returns whether it answers; not where another process took the port in between */
  const start = async (): Promise<boolean> => {
    const words = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no', ...options];
    const started = spawn(PROGRAM, words, { stdio: 'ignore' });
    child = started;
    const answers = async (): Promise<boolean> => /PONG|NOAUTH/.test(await ask(port, ['PING']).catch(() => ''));
    await until(async () => started.exitCode !== null || (await answers()), 'the server answers');
    return started.exitCode === null;
  };
  const kill = async (): Promise<void> => {
    const ending = child;
    child = null;
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = once(ending, 'exit');
    ending.kill('SIGKILL');
    await gone;
  };
  for (let tries = 1; !(await start()); tries++) {
    if (tries === MOST_TRIES) throw new Error('no server could be started');
    port = await freePort();
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    ask: (...words) => ask(port, words),
    pause: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    kill,
    async restart() {
      if (!(await start())) throw new Error('its port has been taken');
    },
    async [Symbol.asyncDispose]() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** One command on a connection of its own. */
function ask(port: number, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('connect', () => {
      socket.write(`*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`);
      socket.write('*1\r\n$4\r\nQUIT\r\n');
    });
    socket.on('data', (piece: Buffer) => (answer += piece.toString()));
    socket.on('error', reject);
    socket.on('close', () => resolve(answer.replace(/\+OK\r\n$/, '')));
  });
}
