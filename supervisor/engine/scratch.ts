import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';

/** The path of a socket takes 107 bytes on Linux, and vLLM adds a slash and a UUID to the folder. */
const MAX_FOLDER_BYTES = 107 - 37;

/** Where the scratch folders of a state folder's engines lie: in it, unless sockets below it would have names that are too long. */
function scratchRoot(stateDir: string): string {
  const inside = join(stateDir, 'tmp');
  if (Buffer.byteLength(join(inside, 'x'.repeat(NAME_CHARS))) <= MAX_FOLDER_BYTES) return inside;
  return join('/tmp', `headgate-${userInfo().uid}-${hash(stateDir)}`);
}

const NAME_CHARS = 12;

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, NAME_CHARS);
}

/**
 * The folder for what one engine puts into temporary files: the sockets between its processes, the meeting places of its workers. It never
 * removes most of them, and one that is killed removes none. The same for every start of a worker's model.
 */
export function scratchFolder(stateDir: string, instanceId: string): string {
  return join(scratchRoot(stateDir), hash(instanceId.slice(0, instanceId.lastIndexOf(':') + 1)));
}

/** What makes an engine use it. PyTorch's compiled kernels stay where they were: they are worth more than one life. */
export function scratchVariables(folder: string, env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const kernels = env['TORCHINDUCTOR_CACHE_DIR'] ?? join(env['TMPDIR'] ?? '/tmp', `torchinductor_${userName(env)}`);
  return { TMPDIR: folder, VLLM_RPC_BASE_PATH: folder, TORCHINDUCTOR_CACHE_DIR: kernels };
}

/** As Python's getpass finds it, with what PyTorch replaces in it. */
function userName(env: Readonly<Record<string, string | undefined>>): string {
  const named = ['LOGNAME', 'USER', 'LNAME', 'USERNAME'].map((name) => env[name]).find((value) => value !== undefined && value !== '');
  return (named ?? nameOfUid()).replaceAll(/[\\/:*?"<>|]/g, '_');
}

/** A container's user often has none. */
function nameOfUid(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 0);
  }
}

/** Empty, and ours alone. @throws where it cannot be made */
export function makeScratch(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (lstatSync(folder).uid !== (process.getuid?.() ?? lstatSync(folder).uid)) throw new Error(`${folder} belongs to another user`);
}

/** What cannot be removed does no harm: the next start begins with it. */
export function removeScratch(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // The disk is read-only, or somebody is still writing.
  }
}

/** Of all engines of a state folder, except for those that go on. `spared`: their instance ids. */
export function removeAllScratch(stateDir: string, spared: ReadonlySet<string>): void {
  const root = scratchRoot(stateDir);
  const kept = new Set([...spared].map((instanceId) => scratchFolder(stateDir, instanceId)));
  let names: string[];
  try {
    names = readdirSync(root);
  } catch {
    return;
  }
  for (const name of names) if (!kept.has(join(root, name))) removeScratch(join(root, name));
}
