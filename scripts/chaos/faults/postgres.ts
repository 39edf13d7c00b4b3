import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';
import { clearAtEnd } from '../../shows/left-behind.ts';
import { freePort, until } from '../../shows/scene.ts';

const DEBIAN = '/usr/lib/postgresql';
/** Other rows are played meanwhile: nothing here may hold them up. */
const execute = promisify(execFile);
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
  readonly #clear = clearAtEnd({ folder: this.#folder });
  #child: ChildProcess | null = null;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(): Promise<Postgres> {
    const made = new Postgres(await freePort());
    try {
      await made.#begin();
    } catch (error) {
      await made.stop();
      throw error;
    }
    return made;
  }

  async #begin(): Promise<void> {
    const ids = user()!;
    if (ids.uid !== undefined && ids.gid !== undefined) chownSync(this.#folder, ids.uid, ids.gid);
    const words = ['-D', this.#data, '-U', USER, '--auth=trust', '--encoding=UTF8', '--locale=C', '--no-sync'];
    await execute(join(programs()!, 'initdb'), words, this.#options);
    await this.launch();
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
    const isReady = (): Promise<boolean> =>
      execute(join(programs()!, 'pg_isready'), ready).then(
        () => true,
        () => false,
      );
    await until(isReady, 'PostgreSQL answers', START_MS);
  }

  /** It ends at once, whatever is under way. @returns whether it ran */
  async kill(): Promise<boolean> {
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return false;
    const gone = once(child, 'exit');
    child.kill('SIGQUIT');
    await gone;
    return true;
  }

  async stop(): Promise<void> {
    await this.kill();
    this.#clear();
  }

  get #data(): string {
    return join(this.#folder, 'data');
  }

  get #options(): { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly uid?: number; readonly gid?: number } {
    return { ...user(), cwd: this.#folder, env: { PATH: process.env['PATH'], LC_ALL: 'C' } };
  }
}
