import { createHash } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { withLock } from './file-lock.ts';
import { cardLike, findGpu } from './find-gpu.ts';
import type { SimulatedGpu } from './simulated-gpu.ts';
import { isAlive } from './process-identity.ts';

/** Memory that somebody holds on a pretend card. */
export interface VramHolder {
  /** null: a holder that cannot be seen from here, such as a desktop or another container. */
  readonly pid: number | null;
  /** The kernel's ticks since boot at which the process began; null where nobody knows. */
  readonly starttime: number | null;
  readonly title: string;
  mib: number;
  /** How long the memory stays taken after its holder's end. */
  readonly release_ms: number;
  /** When the holder was first found to have ended, ms since the epoch. */
  ended_at_ms: number | null;
}

/** One pretend card. */
export interface VramGpu {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  /** As nvidia-smi prints it; CUDA hands out some 450 MiB less. */
  readonly memory_total_mib: number;
  readonly compute_cap: number;
  readonly driver_version: string;
  /** What nvidia-smi says for some fields in place of its usual answer: `{"power.draw": "[N/A]"}`. */
  readonly values: Readonly<Record<string, string>>;
  holders: VramHolder[];
}

/** What SIM_VRAM_FILE holds. */
export interface Vram {
  readonly gpus: VramGpu[];
}

const DRIVER_VERSION = '580.95.05';

/** The file is no description of cards. */
export class VramFileError extends Error {}

function uuidOf(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `GPU-${[hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-')}`;
}

/** A machine with these cards, by the names of SIM_GPU, with nothing on them. Throws VramFileError for a name that is not known. */
export function newVram(gpuIds: readonly string[]): Vram {
  const gpus = gpuIds.map((id, index): VramGpu => {
    const gpu = findGpu(id);
    if (gpu === undefined) throw new VramFileError(`there is no simulated card ${id}`);
    return {
      index,
      uuid: uuidOf(`${gpu.id} ${index}`),
      name: gpu.name,
      memory_total_mib: gpu.labelMib,
      compute_cap: gpu.capability,
      driver_version: DRIVER_VERSION,
      values: {},
      holders: [],
    };
  });
  return { gpus };
}

/** The card that an entry describes. */
export function cardOf(gpu: VramGpu): SimulatedGpu {
  return cardLike({ name: gpu.name, labelMib: gpu.memory_total_mib, capability: gpu.compute_cap });
}

/** What CUDA can hand out in all, MiB. */
export function cudaTotalMib(gpu: VramGpu): number {
  return cardOf(gpu).memoryGib * 1024;
}

export function usedMib(gpu: VramGpu): number {
  return gpu.holders.reduce((sum, holder) => sum + holder.mib, 0);
}

/** The cards that CUDA_VISIBLE_DEVICES leaves, in its order: indices or beginnings of ids; the first that fits nothing hides the rest. */
export function visibleTo(vram: Vram, devices: string | undefined): VramGpu[] {
  if (devices === undefined) return [...vram.gpus].toSorted((one, other) => one.index - other.index);
  const chosen: VramGpu[] = [];
  for (const entry of devices.split(',').map((part) => part.trim())) {
    const gpu = vram.gpus.find(({ index, uuid }) => String(index) === entry || (entry.startsWith('GPU-') && uuid.startsWith(entry)));
    if (gpu === undefined || chosen.includes(gpu)) break;
    chosen.push(gpu);
  }
  return chosen;
}

/** GPU memory that several processes pretend to share. Every change is made under a lock and put in place whole. */
export class VramFile {
  readonly #path: string;
  readonly #cardsIfMissing: readonly string[];

  /** Where there is no file yet, the first look writes one with the cards `cardsIfMissing`. */
  constructor(path: string, cardsIfMissing: readonly string[]) {
    this.#path = path;
    this.#cardsIfMissing = cardsIfMissing;
  }

  /** What is held at this moment. Nothing is written, so the ends of processes are not noted. */
  peek(): Vram {
    const vram = this.#load() ?? newVram(this.#cardsIfMissing);
    settle(vram, Date.now());
    return vram;
  }

  /** What is held now; the memory of processes that have ended is given back. */
  async read(): Promise<Vram> {
    const vram = this.#load();
    return vram === null || settle(vram, Date.now()) ? this.update((current) => current) : vram;
  }

  /** Lets `change` change the cards. @returns what `change` returns @throws VramFileError for a file that describes no cards */
  update<T>(change: (vram: Vram) => T): Promise<T> {
    return withLock(`${this.#path}.lock`, () => {
      const vram = this.#load() ?? newVram(this.#cardsIfMissing);
      settle(vram, Date.now());
      const result = change(vram);
      const fresh = `${this.#path}.${process.pid}`;
      writeFileSync(fresh, `${JSON.stringify(vram, null, 2)}\n`);
      renameSync(fresh, this.#path);
      return result;
    });
  }

  #load(): Vram | null {
    let text: string;
    try {
      text = readFileSync(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    try {
      return checked(JSON.parse(text));
    } catch (error) {
      throw new VramFileError(`${this.#path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
  }
}

/** Gives back the memory of processes that have ended. @returns whether anything has changed */
function settle(vram: Vram, nowMs: number): boolean {
  let changed = false;
  for (const gpu of vram.gpus) {
    gpu.holders = gpu.holders.filter((holder) => {
      if (holder.pid === null || (holder.ended_at_ms === null && isAlive(holder.pid, holder.starttime))) return true;
      if (holder.ended_at_ms === null) {
        holder.ended_at_ms = nowMs;
        changed = true;
      }
      const kept = nowMs - holder.ended_at_ms < holder.release_ms;
      changed ||= !kept;
      return kept;
    });
  }
  return changed;
}

type Loose = Readonly<Record<string, unknown>>;

/** Checks what was read. A file written by hand may leave out everything that has a plain default. */
function checked(value: unknown): Vram {
  const gpus = (value as Loose | null)?.['gpus'];
  if (!Array.isArray(gpus)) throw new VramFileError('it must have a list "gpus"');
  return { gpus: gpus.map((gpu, at) => checkedGpu(gpu as Loose, at)) };
}

function checkedGpu(gpu: Loose, at: number): VramGpu {
  const name = gpu['name'];
  const total = gpu['memory_total_mib'];
  if (typeof name !== 'string' || typeof total !== 'number') throw new VramFileError(`gpus[${at}] needs a name and memory_total_mib`);
  const holders = Array.isArray(gpu['holders']) ? (gpu['holders'] as Loose[]) : [];
  return {
    index: numberOr(gpu['index'], at),
    uuid: typeof gpu['uuid'] === 'string' ? gpu['uuid'] : uuidOf(`${name} ${at}`),
    name,
    memory_total_mib: total,
    compute_cap: Number(gpu['compute_cap'] ?? 8.6),
    driver_version: typeof gpu['driver_version'] === 'string' ? gpu['driver_version'] : DRIVER_VERSION,
    values: (gpu['values'] as Record<string, string> | undefined) ?? {},
    holders: holders.map((holder) => ({
      pid: typeof holder['pid'] === 'number' ? holder['pid'] : null,
      starttime: typeof holder['starttime'] === 'number' ? holder['starttime'] : null,
      title: typeof holder['title'] === 'string' ? holder['title'] : 'unknown',
      mib: numberOr(holder['mib'], 0),
      release_ms: numberOr(holder['release_ms'], 0),
      ended_at_ms: typeof holder['ended_at_ms'] === 'number' ? holder['ended_at_ms'] : null,
    })),
  };
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}
