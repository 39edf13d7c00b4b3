import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { until } from './gateway.ts';
import { freePort } from './ports.ts';

const DEBIAN = '/usr/lib/postgresql';
const USER = 'headgate';
const MOST_TRIES = 5;

/** Empty: as whoever runs the tests. */
type Ids = { readonly uid?: number; readonly gid?: number };

const FOLDER = programs();
/** It runs as nobody who may do everything. */
const IDS: Ids | null = process.getuid?.() === 0 ? unprivileged() : {};

/** For the name of a test that needs one and finds none. */
export const NO_POSTGRES_SERVER: string | null =
  FOLDER === null
    ? 'there is no PostgreSQL on this machine (apt-get install postgresql)'
    : IDS === null
      ? 'there is no user to run PostgreSQL as'
      : null;

export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** Of a database of that name, which is made. */
  database(name: string): Promise<string>;
  /** What a client for people prints. */
  sql(url: string, text: string): string;
  /** It does nothing more, and keeps its connections. */
  pause(): void;
  resume(): void;
  /** It ends at once, whatever is under way. */
  stop(): Promise<void>;
  /** Again on the same port. */
  start(): Promise<void>;
}

/** A server on loopback in a temporary folder. @throws where there is none: see NO_POSTGRES_SERVER */
export async function startPostgresServer(): Promise<PostgresServer> {
  if (FOLDER === null || IDS === null) throw new Error(NO_POSTGRES_SERVER!);
  const folder = mkdtempSync(join(tmpdir(), 'headgate-postgres-'));
  if (IDS.uid !== undefined && IDS.gid !== undefined) chownSync(folder, IDS.uid, IDS.gid);
  const options = { ...IDS, cwd: folder, env: { PATH: process.env['PATH'], LC_ALL: 'C' } };
  const data = join(folder, 'data');
  const words = ['-D', data, '-U', USER, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
  execFileSync(join(FOLDER, 'initdb'), words, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  let port = await freePort();
  let child: ChildProcess | null = null;
  let processes: readonly number[] = [];
  /** @returns whether it answers; not where another process took the port in between */
  const start = async (): Promise<boolean> => {
    const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'max_connections=60', 'shared_buffers=16MB'];
    const all = ['-D', data, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])];
    const started = spawn(join(FOLDER, 'postgres'), all, { ...options, stdio: 'ignore' });
    child = started;
    await until(() => started.exitCode !== null || accepts(port), 'the server answers');
    return started.exitCode === null;
  };
  const stop = async (): Promise<void> => {
    const ending = child;
    child = null;
    if (ending === null || ending.exitCode !== null || ending.signalCode !== null) return;
    const gone = once(ending, 'exit');
    ending.kill('SIGQUIT');
    await gone;
  };
  // A test that fails before it has it does not stop it.
  process.once('exit', () => child?.kill('SIGQUIT'));
  for (let tries = 1; !(await start()); tries++) {
    if (tries === MOST_TRIES) throw new Error('no server could be started');
    port = await freePort();
  }
  const urlOf = (database: string): string => `postgres://${USER}@127.0.0.1:${port}/${database}`;
  const sql = (url: string, text: string): string =>
    execFileSync(join(FOLDER, 'psql'), ['-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-c', text, url], {
      ...options,
      encoding: 'utf8',
    }).trim();
  return {
    port,
    database(name) {
      sql(urlOf('postgres'), `CREATE DATABASE ${name}`);
      return Promise.resolve(urlOf(name));
    },
    sql,
    pause() {
      processes = child?.pid === undefined ? [] : [child.pid, ...childrenOf(child.pid)];
      for (const pid of processes) process.kill(pid, 'SIGSTOP');
    },
    resume() {
      for (const pid of processes) process.kill(pid, 'SIGCONT');
      processes = [];
    },
    stop,
    async start() {
      if (!(await start())) throw new Error('its port has been taken');
    },
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function programs(): string | null {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(DEBIAN, version, 'bin')), ...(process.env['PATH'] ?? '').split(delimiter)];
  return folders.find((folder) => ['postgres', 'initdb', 'psql'].every((name) => existsSync(join(folder, name)))) ?? null;
}

function unprivileged(): Ids | null {
  for (const user of ['postgres', 'nobody']) {
    try {
      const idOf = (which: string): number => Number(execFileSync('id', [which, user], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: idOf('-u'), gid: idOf('-g') };
    } catch {
      // The next one.
    }
  }
  return null;
}

function childrenOf(pid: number): readonly number[] {
  const found = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' });
  return found.trim().split(/\s+/).map(Number);
}

/** Whether it lets in who asks; while it starts it says that it does. */
function accepts(port: number): boolean {
  return spawnSync(join(FOLDER!, 'pg_isready'), ['-q', '-h', '127.0.0.1', '-p', String(port)]).status === 0;
}
