import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Peer, peerProxy, PEERS } from './peers.ts';
import { findProgram } from './programs.ts';
import type { Proxy } from './proxies.ts';

type Env = Readonly<Record<string, string | undefined>>;

const INSTALL_MS = 600_000;

export interface Installing {
  readonly env: Env;
  readonly without: ReadonlySet<string>;
  isWanted(name: string): boolean;
  /** What is being done. */
  say(line: string): void;
  /** What the reader of the result must know. */
  note(line: string): void;
}

/** Where the peers are kept: HEADGATE_BENCH_PEERS names the folder, else it is one below the user's caches. */
export function peersFolder(env: Env): string {
  return env['HEADGATE_BENCH_PEERS'] || join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'headgate', 'bench-peers');
}

/** The peers that are wanted, each in a Python environment of its own; what is missing is installed. Those that cannot be are told of. */
export async function installPeers({ env, without, isWanted, say, note }: Installing): Promise<Proxy[]> {
  const wanted = PEERS.filter(({ name }) => isWanted(name));
  const python = findProgram('python3', without);
  if (python === null) {
    note(`there is no python3: ${wanted.map(({ name }) => name).join(', ')} cannot be installed and are left out.`);
    return [];
  }
  const proxies: Proxy[] = [];
  for (const peer of wanted) {
    const folder = join(peersFolder(env), `${peer.name}-${peer.version}`);
    try {
      if (!existsSync(join(folder, 'complete'))) {
        say(`installing ${peer.requirement} ${peer.version} into ${folder}`);
        await install(peer, python, folder);
      }
      proxies.push(peerProxy(peer, join(folder, 'bin')));
    } catch (error) {
      note(`${peer.name} ${peer.version} cannot be installed and is left out: ${reasonOf(error)}`);
    }
  }
  return proxies;
}

async function install({ requirement, version }: Peer, python: string, folder: string): Promise<void> {
  // Half of one, after an interruption, is begun anew.
  rmSync(folder, { recursive: true, force: true });
  const run = (program: string, args: readonly string[]) =>
    promisify(execFile)(program, args, { timeout: INSTALL_MS, killSignal: 'SIGKILL' });
  await run(python, ['-m', 'venv', folder]);
  await run(join(folder, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `${requirement}==${version}`]);
  mkdirSync(join(folder, 'complete'));
}

/** The last line of what pip said, which has the reason. */
function reasonOf(error: unknown): string {
  const { stderr, message } = error as Error & { stderr?: string };
  return (
    (stderr ?? '')
      .trim()
      .split('\n')
      .findLast((line) => line.trim() !== '') ?? message
  );
}
