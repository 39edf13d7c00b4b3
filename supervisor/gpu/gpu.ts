import { totalmem } from 'node:os';
import type { Clock } from '../../gateway/core/clock.ts';
import type { GpuView } from '../../gateway/link/snapshot.ts';
import type { Row } from './csv.ts';
import { bytesIn, mergeRows, numberIn, parseCsv } from './csv.ts';
import type { MigInstance } from './mig.ts';
import { migMemoryBytes, parseMigList } from './mig.ts';
import type { SmiAnswer } from './smi.ts';
import { SmiProgram } from './smi.ts';

/** One GPU, or one MIG instance of one, as the driver describes it; null where it does not say. */
export interface GpuReading extends GpuView {
  readonly memoryFreeBytes: number | null;
  /** What the driver keeps for itself: part of the total, but never handed out. */
  readonly memoryReservedBytes: number | null;
  readonly computeCap: number | null;
  readonly driverVersion: string | null;
  /** A screen is attached and lit. */
  readonly display: boolean;
  /** For a MIG instance, the id of its card. */
  readonly parentUuid: string | null;
  /** Why it cannot be used now, in plain words; null when it can. */
  readonly fault: string | null;
}

/** Looks at the machine's GPUs. Never throws: no driver, no answer and no GPU are all the empty list. */
export interface CardReader {
  /** What there is; asked no earlier than `notBeforeMs` (monotonic), where that matters. Otherwise it may be a second old. */
  read(notBeforeMs?: number): Promise<readonly GpuReading[]>;
  /** Who holds memory of the GPUs, as far as that can be said. */
  apps?(): Promise<readonly ComputeApp[]>;
  /** What kept the last look from seeing GPUs, in plain words; null where nothing was wrong, if only because there are none. */
  problem?(): string | null;
}

/** A process that holds memory of a GPU. In a container the pid is the host's, and the list is often empty. */
export interface ComputeApp {
  readonly pid: number;
  readonly gpuUuid: string;
  readonly name: string;
  /** null where the driver does not count by process (WSL). */
  readonly memoryBytes: number | null;
}

export interface GpuSurvey {
  readonly gpus: readonly GpuReading[];
  /** Why nothing was learned; null when nvidia-smi answered, if only with "none". */
  readonly problem: Exclude<SmiAnswer, { readonly kind: 'answered' }> | null;
}

/** What nvidia-smi says where the driver is loaded and finds no card. */
export const NO_CARDS = /no devices were found/i;

const CACHE_MS = 1000;
/** What changes only when somebody changes the machine is asked this often. */
const LEARN_MS = 300_000;

// A driver that does not know one field refuses the whole query: the indispensable ones are asked for by themselves.
const CORE = ['index', 'uuid', 'name', 'memory.total', 'memory.free', 'driver_version'];
const CHANGING: readonly string[][] = [['memory.used'], ['utilization.gpu', 'temperature.gpu'], ['power.draw']];
const LASTING: readonly string[][] = [['compute_cap'], ['display_active'], ['memory.reserved'], ['mig.mode.current']];
const APP = ['pid', 'gpu_uuid', 'used_memory', 'process_name'];

interface Learned {
  readonly atMs: number;
  /** Fields besides the core that this driver answers, worth asking every time. */
  readonly changing: readonly string[];
  readonly lasting: ReadonlyMap<string, Row>;
  readonly instances: readonly MigInstance[];
}

/** nvidia-smi, asked at most once a second however many want to know, and with one process as soon as it is known what it can answer. */
export class NvidiaSmi implements CardReader {
  readonly #clock: Clock;
  readonly #program: Pick<SmiProgram, 'run'>;
  #learned: Learned | null = null;
  #asking: { readonly begunAtMs: number; readonly survey: Promise<GpuSurvey> } | null = null;
  /** When it was asked, and when it answered. */
  #last: { readonly begunAtMs: number; readonly atMs: number; readonly survey: GpuSurvey } | null = null;

  /** `folders`: where to look for the program after the PATH. `program`: what is asked in its place. */
  constructor(
    clock: Clock,
    env: Readonly<Record<string, string | undefined>>,
    folders?: readonly string[],
    program: Pick<SmiProgram, 'run'> = new SmiProgram(clock, env, folders),
  ) {
    this.#clock = clock;
    this.#program = program;
  }

  async read(notBeforeMs = -Infinity): Promise<readonly GpuReading[]> {
    return (await this.survey(notBeforeMs)).gpus;
  }

  /** The same with the reason where there is nothing to see. */
  async survey(notBeforeMs = -Infinity): Promise<GpuSurvey> {
    const last = this.#last;
    if (last && this.#clock.now() - last.atMs < CACHE_MS && last.begunAtMs >= notBeforeMs) return last.survey;
    // One question at a time; the answer to one that was asked too early is waited for and left aside.
    if (this.#asking && this.#asking.begunAtMs < notBeforeMs) await this.#asking.survey;
    this.#asking ??= this.#begin();
    return this.#asking.survey;
  }

  #begin(): { readonly begunAtMs: number; readonly survey: Promise<GpuSurvey> } {
    const begunAtMs = this.#clock.now();
    const survey = this.#ask().then((answer) => {
      this.#last = { begunAtMs, atMs: this.#clock.now(), survey: answer };
      this.#asking = null;
      return answer;
    });
    return { begunAtMs, survey };
  }

  problem(): string | null {
    const problem = this.#last?.survey.problem ?? null;
    // A machine without the program, or without a card, is in order.
    return problem === null || problem.kind === 'missing' || NO_CARDS.test(problem.reason) ? null : problem.reason.replace(/\.$/, '');
  }

  /** Who holds memory of the GPUs. Empty when that cannot be said. */
  async apps(): Promise<readonly ComputeApp[]> {
    const answer = await this.#program.run([`--query-compute-apps=${APP.join(',')}`, '--format=csv,noheader,nounits']);
    return answer.kind === 'answered' ? parseCsv(answer.text, APP).flatMap((row) => toApp(row) ?? []) : [];
  }

  async #ask(): Promise<GpuSurvey> {
    const learned = this.#learned;
    if (learned && this.#clock.now() - learned.atMs < LEARN_MS) {
      const answer = await this.#query([...CORE, ...learned.changing]);
      if (answer.kind === 'answered') return toSurvey(answer.rows, learned);
      if (answer.kind === 'hung') return { gpus: [], problem: answer };
    }
    const core = await this.#query(CORE);
    if (core.kind !== 'answered') return { gpus: [], problem: core };
    this.#learned = core.rows.length === 0 ? null : await this.#learn();
    if (!this.#learned) return { gpus: [], problem: null };
    const { changing } = this.#learned;
    const full = changing.length === 0 ? core : await this.#query([...CORE, ...changing]);
    return toSurvey(full.kind === 'answered' ? full.rows : core.rows, this.#learned);
  }

  async #learn(): Promise<Learned> {
    // All at once: without persistence mode each run waits for the driver to wake up.
    const ask = async (fields: readonly string[]) => ({ fields, answer: await this.#query(['uuid', ...fields]) });
    const [changingAnswers, lastingAnswers] = await Promise.all([Promise.all(CHANGING.map(ask)), Promise.all(LASTING.map(ask))]);
    const changing = changingAnswers.flatMap(({ fields, answer }) => (answer.kind === 'answered' ? fields : []));
    const lasting = new Map<string, Row>();
    for (const row of lastingAnswers.flatMap(({ answer }) => (answer.kind === 'answered' ? answer.rows : []))) {
      const uuid = row.values.get('uuid') ?? '';
      lasting.set(uuid, mergeRows([lasting.get(uuid), row].filter((each) => each !== undefined)));
    }
    const hasMig = [...lasting.values()].some((row) => row.values.get('mig.mode.current') === 'Enabled');
    const list = hasMig ? await this.#program.run(['-L']) : null;
    const instances = list?.kind === 'answered' ? parseMigList(list.text) : [];
    return { atMs: this.#clock.now(), changing, lasting, instances };
  }

  async #query(fields: readonly string[]) {
    const answer = await this.#program.run([`--query-gpu=${fields.join(',')}`, '--format=csv,noheader,nounits']);
    return answer.kind === 'answered' ? { kind: 'answered' as const, rows: parseCsv(answer.text, fields) } : answer;
  }
}

function toSurvey(rows: readonly Row[], { lasting, instances }: Learned): GpuSurvey {
  const gpus = rows.flatMap((row) => {
    const uuid = row.values.get('uuid');
    if (uuid === undefined) return [];
    const merged = mergeRows([lasting.get(uuid), row].filter((each) => each !== undefined));
    const card = toReading(merged, uuid);
    if (merged.values.get('mig.mode.current') !== 'Enabled') return card;
    const parts = instances.filter(({ parentUuid }) => parentUuid === uuid).map((instance) => toInstance(card, instance));
    // The card itself can run nothing while MIG is on.
    return parts.length > 0 ? parts : { ...card, fault: 'MIG is on and no instance has been made: create one, or switch MIG off' };
  });
  return { gpus, problem: null };
}

function toReading(row: Row, uuid: string): GpuReading {
  const percent = numberIn(row, 'utilization.gpu');
  const total = bytesIn(row, 'memory.total');
  return {
    index: numberIn(row, 'index') ?? 0,
    uuid,
    name: row.values.get('name') ?? 'unknown',
    // A card without memory of its own (Jetson, GB10) uses the machine's, and the driver names none.
    memoryTotalBytes: total ?? totalmem(),
    memoryUsedBytes: bytesIn(row, 'memory.used'),
    memoryFreeBytes: bytesIn(row, 'memory.free'),
    memoryReservedBytes: bytesIn(row, 'memory.reserved'),
    utilization: percent === null ? null : percent / 100,
    temperatureCelsius: numberIn(row, 'temperature.gpu'),
    powerWatts: numberIn(row, 'power.draw'),
    computeCap: numberIn(row, 'compute_cap'),
    driverVersion: row.values.get('driver_version') ?? null,
    display: row.values.get('display_active') === 'Enabled',
    parentUuid: null,
    fault: faultOf(row),
  };
}

/** Some healthy cards have a fan or a sensor that cannot be read; memory that cannot be read is another matter. */
function faultOf({ broken }: Row): string | null {
  const words = [...broken].find(([field, cell]) => field.startsWith('memory.') || /reset|lost/i.test(cell))?.[1];
  return words === undefined ? null : `the driver cannot read it (${words.replace(/^\[|\]$/g, '')}): reset the GPU or reboot`;
}

function toInstance(card: GpuReading, instance: MigInstance): GpuReading {
  const memoryTotalBytes = migMemoryBytes(instance);
  return {
    ...card,
    uuid: instance.uuid,
    name: `${card.name} MIG ${instance.profile}`,
    memoryTotalBytes: memoryTotalBytes ?? card.memoryTotalBytes,
    // What is known of the card says nothing of its parts.
    ...{ memoryUsedBytes: null, memoryFreeBytes: null, memoryReservedBytes: null, utilization: null },
    display: false,
    parentUuid: card.uuid,
    fault: card.fault ?? (memoryTotalBytes === null ? 'it is a MIG instance whose size nobody tells' : null),
  };
}

function toApp(row: Row): ComputeApp | null {
  const pid = numberIn(row, 'pid');
  if (pid === null) return null;
  return {
    pid,
    gpuUuid: row.values.get('gpu_uuid') ?? '',
    name: row.values.get('process_name') ?? 'unknown',
    memoryBytes: bytesIn(row, 'used_memory'),
  };
}
