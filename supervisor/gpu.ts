import { execa } from 'execa';
import type { Clock } from '../gateway/core/clock.ts';
import type { GpuView } from '../gateway/core/supervision.ts';

/** One GPU as the driver describes it; null where it does not say. */
export interface GpuReading extends GpuView {
  readonly memoryFreeBytes: number | null;
  readonly computeCap: number | null;
  readonly driverVersion: string | null;
  /** A screen is attached and lit. */
  readonly display: boolean;
}

/** Looks at the machine's GPUs. Never throws: no driver, no answer and no GPU are all the empty list. */
export interface GpuProbe {
  read(): Promise<readonly GpuReading[]>;
}

const MIB = 1024 * 1024;
const TIMEOUT_MS = 5000;
const CACHE_MS = 1000;

// A driver that does not know one field refuses the whole query: the indispensable ones are asked for by themselves.
const CORE = ['index', 'uuid', 'name', 'memory.total', 'memory.free', 'driver_version'] as const;
const OPTIONAL = [['memory.used', 'utilization.gpu', 'temperature.gpu', 'power.draw'], ['compute_cap'], ['display_active']] as const;

type Row = ReadonlyMap<string, string>;

/** nvidia-smi, asked at most once a second however many want to know. */
export class NvidiaSmi implements GpuProbe {
  readonly #clock: Clock;
  readonly #env: Readonly<Record<string, string | undefined>>;
  #last: { atMs: number; answer: Promise<readonly GpuReading[]> } | null = null;

  constructor(clock: Clock, env: Readonly<Record<string, string | undefined>>) {
    this.#clock = clock;
    this.#env = env;
  }

  read(): Promise<readonly GpuReading[]> {
    const nowMs = this.#clock.now();
    if (!this.#last || nowMs - this.#last.atMs > CACHE_MS) this.#last = { atMs: nowMs, answer: this.#ask() };
    return this.#last.answer;
  }

  async #ask(): Promise<readonly GpuReading[]> {
    const core = await this.#query(CORE);
    if (core.length === 0) return [];
    const optional = await Promise.all(OPTIONAL.map((fields) => this.#query(['uuid', ...fields])));
    return core.flatMap((row) => {
      const merged = new Map(row);
      for (const rows of optional)
        for (const [field, value] of rows.find((other) => other.get('uuid') === row.get('uuid')) ?? []) merged.set(field, value);
      return toReading(merged) ?? [];
    });
  }

  async #query(fields: readonly string[]): Promise<Row[]> {
    const result = await execa('nvidia-smi', [`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits'], {
      env: { ...this.#env },
      extendEnv: false,
      stdin: 'ignore',
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: MIB,
      reject: false,
    });
    return result.failed ? [] : parseCsv(result.stdout, fields);
  }
}

/**
 * The GPUs that CUDA_VISIBLE_DEVICES leaves, in its order; nvidia-smi does not heed it. As CUDA does it: entries are indices (in the
 * order of the bus) or beginnings of ids, and the first that fits nothing hides itself and all after it.
 */
export function visibleGpus(gpus: readonly GpuReading[], visible: string | undefined): readonly GpuReading[] {
  if (visible === undefined) return gpus;
  const chosen: GpuReading[] = [];
  for (const entry of visible.split(',').map((part) => part.trim())) {
    const gpu = gpus.find(({ index, uuid }) => String(index) === entry || (entry.startsWith('GPU-') && uuid.startsWith(entry)));
    if (!gpu || chosen.includes(gpu)) break;
    chosen.push(gpu);
  }
  return chosen;
}

/** One row a line; cells that say "not available" in one of the driver's ways are left out. */
export function parseCsv(text: string, fields: readonly string[]): Row[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => {
      const cells = line.split(',').map((cell) => cell.trim());
      return new Map(fields.flatMap((field, index) => cellOf(field, cells[index])));
    });
}

function cellOf(field: string, cell: string | undefined): [string, string][] {
  const unknown = cell === undefined || cell === '' || /^\[.*\]$|^N\/A$|^ERR!$|^Unknown Error$/i.test(cell);
  return unknown ? [] : [[field, cell]];
}

function toReading(row: Row): GpuReading | null {
  const number = (field: string) => {
    const value = Number.parseFloat(row.get(field) ?? '');
    return Number.isFinite(value) ? value : null;
  };
  const bytes = (field: string) => {
    const mib = number(field);
    return mib === null ? null : mib * MIB;
  };
  const uuid = row.get('uuid');
  const memoryTotalBytes = bytes('memory.total');
  if (uuid === undefined || memoryTotalBytes === null) return null;
  const percent = number('utilization.gpu');
  return {
    index: number('index') ?? 0,
    uuid,
    name: row.get('name') ?? 'unknown',
    memoryTotalBytes,
    memoryUsedBytes: bytes('memory.used'),
    memoryFreeBytes: bytes('memory.free'),
    utilization: percent === null ? null : percent / 100,
    temperatureCelsius: number('temperature.gpu'),
    powerWatts: number('power.draw'),
    computeCap: number('compute_cap'),
    driverVersion: row.get('driver_version') ?? null,
    display: row.get('display_active') === 'Enabled',
  };
}
