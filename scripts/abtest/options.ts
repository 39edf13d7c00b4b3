import { parseArgs } from 'node:util';
import { LOAD_FLAGS, type LoadOptions, readLoadOptions } from '../load/options.ts';
import { number, type Read, readUrl, span, UsageError, whole } from '../program/flags.ts';
import { type Arm, armsOfModels, armsOfSettings, armsOfUrls, type SettingValues } from './design/arm.ts';
import { CALLS_OF_A_SLOT } from './design/prompts.ts';
import { type Metric, metricKey, readMetric } from './figures/metric.ts';

/** What the command line of `headgate abtest` asks for. */
export interface AbtestOptions {
  readonly arms: readonly Arm[];
  /** What is counted of each slot, and what is not before it. */
  readonly slotMs: number;
  readonly settleMs: number;
  readonly blocks: number;
  readonly judged: readonly Metric[];
  readonly confidence: number;
  /** With which settings are tried; null: that of the gateway here. */
  readonly adminKey: string | null;
  /** The rest, as `headgate load` takes it: its schedule is that of one block. */
  readonly load: LoadOptions;
}

const OWN = ['window', 'set', 'models', 'urls', 'slot', 'slots', 'duration', 'settle', 'judge', 'confidence', 'admin-key'] as const;
/** Loads that are one whole, and cannot be had again for each arm. */
const WHOLE_LOADS: ReadonlySet<string> = new Set(['trace', 'speed', 'ramp', 'steps', 'calls']);
const WINDOW = 'batch_window.window_ms';
const USUAL_BLOCKS = 12;
const MOST_SLOTS = 5_000;
const MOST_SLOT_MS = 30 * 60_000;
const LEAST_SLOT_MS = 100;

/** Reads the command line. Flags that it does not know are those of `headgate load`. */
export function readAbtestOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Read<AbtestOptions> {
  try {
    const { own, rest } = parted(argv);
    const foreign = rest.map((word) => word.split('=')[0]!).find((word) => word.startsWith('--') && WHOLE_LOADS.has(word.slice(2)));
    if (foreign !== undefined) throw new UsageError(`${foreign} is one load as a whole; slots want a steady one: --rate or --clients`);
    const last = (name: (typeof OWN)[number]): string | null => own.get(name)?.at(-1) ?? null;
    const [slotMs, settleMs] = [span('slot', last('slot'), 10_000), span('settle', last('settle'), 2_000)];
    if (slotMs < LEAST_SLOT_MS || slotMs > MOST_SLOT_MS || settleMs > MOST_SLOT_MS)
      throw new UsageError('--slot is from 100ms to 30m, and --settle 30m at most');
    const read = readLoadOptions([...rest, `--duration=${(slotMs + settleMs) / 1000}s`], env);
    if (read.kind !== 'options') return read;
    const load = read.options;
    const arms = readArms(own, load);
    const judged = readJudged(own.get('judge') ?? [], load);
    const blocks = readBlocks(last('slots'), last('duration'), arms.length * (slotMs + settleMs));
    if (blocks * arms.length > MOST_SLOTS)
      throw new UsageError(`${blocks} blocks are more than ${MOST_SLOTS} slots; longer ones do as well`);
    checkLoad(load, slotMs);
    return {
      kind: 'options',
      options: {
        ...{ arms, slotMs, settleMs, blocks, judged, load },
        confidence: number('confidence', last('confidence'), 0.95, 0.5, 0.9999),
        adminKey: last('admin-key'),
      },
    };
  } catch (error) {
    return { kind: 'usage', problem: (error as Error).message };
  }
}

/** Parts the flags of this command from those of `headgate load`. */
function parted(argv: readonly string[]): { readonly own: ReadonlyMap<string, string[]>; readonly rest: readonly string[] } {
  const options = { ...LOAD_FLAGS, ...Object.fromEntries(OWN.map((name) => [name, { type: 'string', multiple: true } as const])) };
  const { tokens } = parseArgs({ args: [...argv], options, allowPositionals: true, tokens: true });
  const own = new Map<string, string[]>();
  const rest: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') rest.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, value } = token;
    if ((OWN as readonly string[]).includes(name)) own.set(name, [...(own.get(name) ?? []), value ?? '']);
    else rest.push(value === undefined ? `--${name}` : `--${name}=${value}`);
  }
  return { own, rest };
}

function readArms(own: ReadonlyMap<string, readonly string[]>, load: LoadOptions): readonly Arm[] {
  const given = ['window', 'set', 'models', 'urls'].filter((name) => own.has(name));
  const kinds = new Set(given.map((name) => (name === 'window' ? 'set' : name)));
  if (kinds.size > 1) throw new UsageError(`--${given.join(' and --')} are different comparisons; choose one`);
  const list = (name: string): string[] => (own.get(name) ?? []).flatMap((text) => text.split(',')).map((part) => part.trim());
  let arms: readonly Arm[] | string;
  if (own.has('models')) {
    if (load.model !== null) throw new UsageError('--models says which models are asked; leave out --model');
    arms = armsOfModels(list('models'));
  } else if (own.has('urls')) {
    if (load.url !== null) throw new UsageError(`--urls says whom to ask; leave out ${load.url}`);
    arms = armsOfUrls(list('urls').map(readUrl));
  } else {
    const windows = own.has('window') ? [{ path: WINDOW, values: list('window').map(readWindow) }] : [];
    arms = armsOfSettings([...windows, ...(own.get('set') ?? []).map(readSetting)]);
  }
  if (typeof arms === 'string')
    throw new UsageError(given.length === 0 ? 'what is compared? --window 0,20,50, --set PATH=A,B, --models A,B or --urls A,B' : arms);
  if (arms.some(({ name }) => name === '')) throw new UsageError('one of what is compared is empty');
  if (arms.length < 2) throw new UsageError(`one alone is no comparison; --${given[0]} takes two or more, divided by commas`);
  if (arms.length > 10) throw new UsageError('ten things are compared at most');
  return arms;
}

function readWindow(text: string): number {
  return whole('window', text, 0, 0);
}

/** `batch_window.window_ms=0,20`: values are read as JSON where they are, and are words otherwise. */
function readSetting(text: string): SettingValues {
  const at = text.indexOf('=');
  const path = text.slice(0, at);
  if (at < 1 || !/^\w+(\.\w+)+$/.test(path)) throw new UsageError(`--set is written PATH=A,B, such as ${WINDOW}=0,20; not ${text}`);
  return {
    path,
    values: text
      .slice(at + 1)
      .split(',')
      .map(readValue),
  };
}

function readValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text.trim();
  }
}

function readJudged(given: readonly string[], load: LoadOptions): readonly Metric[] {
  const names = given.flatMap((text) => text.split(','));
  if (names.length === 0) return usualMetrics(load);
  const metrics = names.map((name) => {
    const metric = readMetric(name.trim());
    if (metric === null)
      throw new UsageError(
        `--judge takes ttft, tpot, itl or e2e with mean, p50, p90, p95 or p99 (ttft:p95), throughput, goodput and errors; not ${name}`,
      );
    if (metric.kind === 'goodput' && Object.keys(load.slo).length === 0)
      throw new UsageError('--judge goodput needs objectives: --slo ttft:500');
    if (metric.kind === 'time' && metric.time !== 'e2e' && !load.stream)
      throw new UsageError(`${name} is a matter of streams; judge e2e:p95`);
    return metric;
  });
  return [...new Map(metrics.map((metric) => [metricKey(metric), metric])).values()];
}

/** What clients wait for, and what the server brings about. Each more would cost the others some of their sharpness. */
function usualMetrics({ stream, slo }: LoadOptions): readonly Metric[] {
  const times = stream ? (['ttft:p95', 'e2e:p95'] as const) : (['e2e:p95'] as const);
  const names = ['throughput', ...times, ...(Object.keys(slo).length > 0 ? ['goodput'] : [])];
  return names.map((name) => readMetric(name)!);
}

function readBlocks(slots: string | null, duration: string | null, blockMs: number): number {
  if (slots !== null && duration !== null) throw new UsageError('--slots and --duration say the same; choose one');
  if (duration === null) return whole('slots', slots, USUAL_BLOCKS, 1);
  const blocks = Math.floor(span('duration', duration, 0) / blockMs);
  if (blocks < 1) throw new UsageError(`--duration ${duration} has no room for one block of ${blockMs / 1000} s`);
  return blocks;
}

function checkLoad({ schedule }: LoadOptions, slotMs: number): void {
  if (schedule.kind !== 'rates') return;
  const rate = schedule.stages[0]!.from;
  if ((rate * slotMs) / 1000 < 1) throw new UsageError('at this rate no call falls into a slot; a longer --slot or a higher --rate');
  if (schedule.stages[0]!.seconds * rate >= CALLS_OF_A_SLOT)
    throw new UsageError(`a slot has ${CALLS_OF_A_SLOT} calls at most; shorter ones do`);
}
