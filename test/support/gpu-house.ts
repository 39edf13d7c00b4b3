import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { VramFile, newVram } from '../../supervisor/sim/card/vram-file.ts';
import type { Vram, VramGpu } from '../../supervisor/sim/card/vram-file.ts';
import { COMPILE_CACHE } from './compile-cache.ts';
import { writeNvidiaSmi } from './nvidia-smi.ts';

const ENGINE = fileURLToPath(new URL('../../supervisor/sim/main.ts', import.meta.url));

/** One start of the pretended vLLM. */
export interface HouseLaunch {
  readonly pid: number;
  /** CUDA_VISIBLE_DEVICES and CUDA_DEVICE_ORDER, as it was given them. */
  readonly devices: string;
  readonly order: string;
  /** What came after `serve`. */
  readonly args: readonly string[];
}

/** A machine with NVIDIA cards and vLLM, as far as a program can tell that looks at its PATH: nothing says that both are pretended. */
export interface GpuHouse {
  readonly folder: string;
  /** Where `vllm` and `nvidia-smi` are, before the system's own programs. */
  readonly path: string;
  /** How often vLLM was really started, oldest first; a start that is doomed counts. */
  launches(): readonly HouseLaunch[];
  /** How often nvidia-smi was asked. */
  looks(): number;
  /** What the cards hold now. */
  cards(): readonly VramGpu[];
  /** Somebody takes memory of a card: seen by nvidia-smi as `pid` where one is given. Gives what ends that. */
  hold(card: number, gib: number, title?: string, pid?: number): Promise<() => Promise<void>>;
  change(what: (vram: Vram) => void): Promise<void>;
  /** The driver is being updated: nvidia-smi cannot talk to it any more. */
  breakDriver(): void;
  mendDriver(): void;
}

export interface HouseOptions {
  /** SIM_ variables of every engine, such as SIM_VRAM_RELEASE_MS. */
  readonly engine?: Readonly<Record<string, string>>;
  /** SIM_SMI_ variables of nvidia-smi. */
  readonly smi?: Readonly<Record<string, string>>;
  /** How often the driver is not there yet when nvidia-smi asks it. */
  readonly lateDriver?: number;
}

/** The cards by the names of SIM_GPU, or described. */
export type HouseCards = readonly (string | Pick<VramGpu, 'name' | 'memory_total_mib' | 'compute_cap'>)[];

/** Builds one in an empty folder. */
export function gpuHouse(folder: string, cards: HouseCards, { engine = {}, smi = {}, lateDriver = 0 }: HouseOptions = {}): GpuHouse {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  // Where pip leaves the version, for those who do not want to wait for Python.
  mkdirSync(join(folder, 'lib', 'python3.12', 'site-packages', 'vllm-0.32.0.dist-info'), { recursive: true });
  const vram = join(folder, 'vram.json');
  writeFileSync(vram, JSON.stringify(vramOf(cards)));
  const file = new VramFile(vram, []);
  const [launches, looks, broken] = [join(folder, 'launches'), join(folder, 'looks'), join(folder, 'driver-is-broken')];
  writeFileSync(launches, '');
  writeFileSync(looks, '');

  const knobs = { ...COMPILE_CACHE, SIM_SPEED: '0.01', SIM_START_MS: '30', SIM_FAULTS: '1', ...engine, SIM_VRAM_FILE: vram };
  const settings = Object.entries(knobs).map(([name, value]) => `export ${name}='${value}'`);
  // Exactly these questions are answered without a start; anything else begins with serve, and is one.
  writeProgram(join(bin, 'vllm'), [
    ...settings,
    `case "$*" in`,
    `  --version | 'serve --help' | 'serve --help=all') exec '${process.execPath}' '${ENGINE}' "$@";;`,
    `esac`,
    `[ "$1" = serve ] || { echo "unexpected: $*" >&2; exit 2; }`,
    `shift`,
    `printf '%s\\t%s\\t%s\\t%s\\n' "$$" "$CUDA_VISIBLE_DEVICES" "$CUDA_DEVICE_ORDER" "$*" >> '${launches}'`,
    `exec '${process.execPath}' '${ENGINE}' serve "$@"`,
  ]);
  writeNvidiaSmi(folder, { ...smi, SIM_VRAM_FILE: vram });
  const late = `[ $(wc -l < '${looks}') -gt ${lateDriver} ] || export SIM_SMI_FAULT=no-driver`;
  const update = `[ ! -e '${broken}' ] || export SIM_SMI_FAULT=mismatch`;
  writeProgram(join(bin, 'nvidia-smi'), [`echo >> '${looks}'`, late, update, `exec '${join(folder, 'nvidia-smi')}' "$@"`]);

  return {
    folder,
    path: `${bin}:/usr/bin:/bin`,
    launches: () => linesOf(launches).map(toLaunch),
    looks: () => linesOf(looks).length,
    cards: () => file.peek().gpus,
    change: (what) => file.update(what),
    breakDriver: () => writeFileSync(broken, ''),
    mendDriver: () => rmSync(broken),
    async hold(card, gib, title = 'somebody', pid) {
      const holder = { pid: pid ?? null, starttime: null, title, mib: gib * 1024, release_ms: 0, ended_at_ms: null };
      await file.update(({ gpus }) => void gpus[card]!.holders.push(holder));
      return () => file.update(({ gpus }) => void (gpus[card]!.holders = gpus[card]!.holders.filter((other) => other.title !== title)));
    },
  };
}

function vramOf(cards: HouseCards): Vram {
  const gpus = cards.map((card, index): VramGpu => {
    const like = newVram(Array.from({ length: index + 1 }, () => (typeof card === 'string' ? card : 'rtx-3060'))).gpus[index]!;
    return typeof card === 'string' ? like : { ...like, ...card };
  });
  return { gpus };
}

function writeProgram(path: string, lines: readonly string[]): void {
  writeFileSync(path, `#!/bin/sh\n${lines.join('\n')}\n`);
  chmodSync(path, 0o755);
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8').split('\n').slice(0, -1);
}

function toLaunch(line: string): HouseLaunch {
  const [pid = '', devices = '', order = '', args = ''] = line.split('\t');
  return { pid: Number(pid), devices, order, args: args.split(' ') };
}
