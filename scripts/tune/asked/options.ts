import { readSlo } from '../../load/figures/slo.ts';
import { type LoadOptions, readLoadOptions } from '../../load/options.ts';
import { oneOf, type Read, span, UsageError, whole } from '../../program/flags.ts';
import { type Axis, MOST_POINTS, pointsOf, readAxis } from '../grid/axes.ts';
import type { Objectives } from '../grid/objectives.ts';
import type { SearchKind } from '../grid/search.ts';

/** What the command line asks for. */
export interface TuneOptions {
  /** Empty: the profile's own, or the usual. */
  readonly axes: readonly Axis[];
  readonly objectives: Objectives;
  readonly repeats: number;
  readonly quick: boolean;
  readonly search: SearchKind;
  readonly prunes: boolean;
  /** How long each load is. */
  readonly loadMs: number;
  readonly warmupMs: number;
  /** As `headgate load` reads it; its pace counts only with `hasOwnPace`. */
  readonly load: LoadOptions;
  /** The caller has said how calls come: one load, as it is told, in place of the two of our own. */
  readonly hasOwnPace: boolean;
  /** Of the settings, as they were typed. */
  readonly where: readonly string[];
  /** A run to go on with; null: one about the same that was cut short, or a new one. */
  readonly resume: string | null;
  readonly fresh: boolean;
  /** Of the overlay; null: after model and card. */
  readonly name: string | null;
  /** Starts it once more as the overlay has it. */
  readonly proves: boolean;
  readonly json: boolean;
}

const OWN_VALUES = new Set(['grid', 'repeats', 'search', 'duration', 'max-errors', 'slo', 'resume', 'name']);
const SETTINGS = new Set(['config', 'model', 'profile', 'engine']);
const SWITCHES = new Set(['quick', 'no-prune', 'fresh', 'no-check', 'json']);
/** Of `headgate load`, and without a meaning here, with the reason. */
const NOT_HERE: Readonly<Record<string, string>> = {
  host: 'each point listens on a free port of this machine',
  port: 'each point listens on a free port of this machine',
  out: 'results go below experiments/runs; --resume FOLDER goes on with one',
  label: 'the report is titled by model and card',
  key: 'each point is asked without a key',
  warmup: 'each point is warmed up for as long as its load needs',
  tuning: 'a tuning is what comes out of it',
};
const PACES = ['rate', 'ramp', 'steps', 'clients', 'trace'];
const [USUAL_MS, QUICK_MS] = [30_000, 5_000];
const [USUAL_WARMUP_MS, QUICK_WARMUP_MS] = [5_000, 1_000];
const USUAL_SLO = 'e2e:5000';
const USUAL_MAX_ERRORS = 0.001;

/** Reads the command line of `headgate tune`. */
export function readTuneOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Read<TuneOptions> {
  if (argv.includes('--help') || argv.includes('-h')) return { kind: 'help' };
  try {
    return { kind: 'options', options: read(argv, env) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return { kind: 'usage', problem: error.message };
  }
}

function read(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): TuneOptions {
  const { values, switches, others } = sorted(argv);
  const one = (name: string): string | null => values.get(name)?.at(-1) ?? null;
  const has = (name: string): boolean => others.some((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  const hasOwnPace = PACES.some(has);
  if (!hasOwnPace && has('calls')) throw new UsageError('--calls goes with --rate or --clients; --duration says how long each load is');
  const quick = switches.has('quick');
  const loadMs = span('duration', one('duration'), quick ? QUICK_MS : USUAL_MS);
  const length = hasOwnPace && !has('trace') && !has('calls') ? ['--duration', `${loadMs}ms`] : [];
  // Where the calls go is known only when a point has been launched.
  const load = readLoadOptions([...others, ...length], { ...env, HEADGATE_API_KEY: undefined, OPENAI_API_KEY: undefined });
  if (load.kind === 'usage') throw new UsageError(load.problem);
  if (load.kind === 'help') throw new UsageError('--help stands alone');
  if (load.options.url !== null)
    throw new UsageError(`${load.options.url}: tune launches what it measures; a server that runs is measured by "headgate load"`);
  const axes = (values.get('grid') ?? []).map((text) => {
    const axis = readAxis(text);
    if (typeof axis === 'string') throw new UsageError(axis);
    return axis;
  });
  const twice = axes.find(({ flag }, index) => axes.findIndex((other) => other.flag === flag) !== index);
  if (twice) throw new UsageError(`--grid names ${twice.flag.replaceAll('_', '-')} twice; write all its values into one`);
  if (pointsOf(axes).length > MOST_POINTS)
    throw new UsageError(`this grid has ${pointsOf(axes).length} points; ${MOST_POINTS} are the most`);
  const slo = readSlo(values.get('slo')?.join(' ') ?? USUAL_SLO);
  if (typeof slo === 'string') throw new UsageError(slo);
  const search = oneOf('search', one('search') ?? 'grid', ['grid', 'halving'] as const);
  const name = one('name');
  if (name !== null && !/^[a-z0-9][a-z0-9._-]{0,80}$/.test(name))
    throw new UsageError(`--name ${name} cannot be the name of a file of profiles: letters, digits, dots and dashes, in small letters`);
  if (one('resume') !== null && switches.has('fresh')) throw new UsageError('--resume and --fresh contradict each other');
  return {
    axes,
    objectives: { slo, maxErrors: share(one('max-errors')) },
    repeats: whole('repeats', one('repeats'), quick ? 1 : 3, 1, 99),
    quick,
    search,
    prunes: !switches.has('no-prune'),
    loadMs,
    warmupMs: Math.min(loadMs, quick ? QUICK_WARMUP_MS : USUAL_WARMUP_MS),
    load: load.options,
    hasOwnPace,
    where: [...SETTINGS].flatMap((flag) => (values.get(flag) ?? []).flatMap((value) => [`--${flag}`, value])),
    resume: one('resume'),
    fresh: switches.has('fresh'),
    name,
    proves: !switches.has('no-check'),
    json: switches.has('json'),
  };
}

interface Sorted {
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly switches: ReadonlySet<string>;
  /** What is left to `headgate load`. */
  readonly others: readonly string[];
}

function sorted(argv: readonly string[]): Sorted {
  const values = new Map<string, string[]>();
  const switches = new Set<string>();
  const others: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    const [, name, written] = /^--([a-z-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name !== undefined && NOT_HERE[name] !== undefined) throw new UsageError(`--${name} has no meaning here: ${NOT_HERE[name]}`);
    if (name !== undefined && SWITCHES.has(name)) {
      if (written !== undefined) throw new UsageError(`--${name} takes no value`);
      switches.add(name);
    } else if (name !== undefined && (OWN_VALUES.has(name) || SETTINGS.has(name))) {
      const value = written ?? argv[++i];
      if (value === undefined) throw new UsageError(`--${name} needs a value`);
      values.set(name, [...(values.get(name) ?? []), value]);
      // --slo ttft:500 e2e:5000: its further parts are words of their own to a shell.
      while (name === 'slo' && /^(ttft|tpot|itl|e2el?):/.test(argv[i + 1] ?? '')) values.get(name)!.push(argv[++i]!);
    } else others.push(word);
  }
  return { values, switches, others };
}

/** `0.1%` or `0.001`. */
function share(text: string | null): number {
  if (text === null) return USUAL_MAX_ERRORS;
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? [];
  const value = Number(number) / (percent === '%' ? 100 : 1);
  if (!(value >= 0 && value <= 1)) throw new UsageError(`--max-errors is a share such as 0.1% or 0.001; not ${text}`);
  return value;
}
