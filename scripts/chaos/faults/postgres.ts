import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { freePort, until } from '../../shows/scene.ts';

const DEBIAN = '/usr/lib/postgresql';
const USER = 'headgate';
const START_MS = 20_000;

function programs(): string | null {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = [...versions.map((version) => join(DEBIAN, version, 'bin')), ...(process.env['PATH'] ?? '').split(delimiter)];
  return folders.find((folder) => ['postgres', 'initdb', 'pg_isready'].every((name) => existsSync(join(folder, name)))) ?? null;
}

/** It refuses to run as root. */
function user(): { readonly uid?: number; readonly gid?: number } | null {
  if (process.getuid?.() !== 0) return {};
  const [uid, gid] = ['-u', '-g'].map((which) => Number(spawnSync('id', [which, 'postgres'], { encoding: 'utf8' }).stdout || NaN));
  return Number.isInteger(uid) && Number.isInteger(gid) ? { uid: uid!, gid: gid! } : null;
}

/** Why none can be started here; null: one can. */
export function whyNoPostgres(): string | null {
  if (programs() === null) return 'no PostgreSQL on this machine';
  return user() === null ? 'no user to run PostgreSQL as' : null;
}

/** A PostgreSQL of its own on loopback. */
export class Postgres {
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), 'headgate-chaos-postgres-'));
  readonly #onExit = (): void => void this.#child?.kill('SIGQUIT');
  #child: ChildProcess | null = null;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(): Promise<Postgres> {
    const made = new Postgres(await freePort());
    process.once('exit', made.#onExit);
    const ids = user()!;
    if (ids.uid !== undefined && ids.gid !== undefined) chownSync(made.#folder, ids.uid, ids.gid);
    const words = ['-D', made.#data, '-U', USER, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
    execFileSync(join(programs()!, 'initdb'), words, { ...made.#options, stdio: 'ignore' });
    await made.launch();
    return made;
  }

  urlBy(port: number): string {
    return `postgres://${USER}@127.0.0.1:${port}/postgres`;
  }

  /** Starts it, again after `kill`. */
  async launch(): Promise<void> {
    const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'max_connections=60', 'shared_buffers=16MB'];
    const words = ['-D', this.#data, '-p', String(this.port), ...settings.flatMap((setting) => ['-c', setting])];
    this.#child = spawn(join(programs()!, 'postgres'), words, { ...this.#options, stdio: 'ignore', detached: true });
    const ready = ['-q', '-h', '127.0.0.1', '-p', String(this.port)];
    await until(() => spawnSync(join(programs()!, 'pg_isready'), ready).status === 0, 'PostgreSQL answers', START_MS);
  }

  /** It ends at once, whatever is under way. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGQUIT');
    await gone;
  }

  async stop(): Promise<void> {
    process.off('exit', this.#onExit);
    await this.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #data(): string {
    return join(this.#folder, 'data');
  }

  get #options(): { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly uid?: number; readonly gid?: number } {
    return { ...user(), cwd: this.#folder, env: { PATH: process.env['PATH'], LC_ALL: 'C' } };
  }
}
