import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Endpoint } from './calls/target.ts';
import { readSlo, type Slo } from './figures/slo.ts';
import { type Lengths, readLengths } from './workload/lengths.ts';
import type { RateStage } from './workload/rate.ts';
import { number, oneOf, type Read, readUrl, span, UsageError, whole } from '../program/flags.ts';

/** What the command line asks for; nothing of it has been looked up yet. */
export interface LoadOptions {
  /** null: the gateway that runs here. */
  readonly url: string | null;
  /** Where it is looked for: flags of the settings, as they were typed. */
  readonly where: readonly string[];
  readonly key: string | null;
  /** null: the first model of the server. */
  readonly model: string | null;
  readonly endpoint: Endpoint;
  readonly stream: boolean;
  readonly headers: Readonly<Record<string, string>>;
  readonly extra: Readonly<Record<string, unknown>>;
  readonly timeoutMs: number;
  readonly schedule: Schedule;
  readonly prompts: PromptOptions;
  readonly cancelShare: number;
  readonly warmup: number;
  readonly seed: number;
  readonly slo: Slo;
  readonly label: string | null;
  /** null: a folder of its own below experiments/runs. */
  readonly out: string | null;
  /** The result as JSON on standard output instead of a table. */
  readonly json: boolean;
  readonly withCalls: boolean;
}

export type Schedule =
  /** `burstiness`: the shape of the gaps' gamma distribution; null: evenly. */
  | { readonly kind: 'rates'; readonly stages: readonly RateStage[]; readonly burstiness: number | null; readonly mostAtOnce: number }
  | { readonly kind: 'clients'; readonly clients: number; readonly calls: number; readonly forMs: number }
  /** `speed`: twice as fast is 2. */
  | { readonly kind: 'trace'; readonly file: string; readonly speed: number; readonly mostAtOnce: number };

export type PromptOptions =
  | {
      readonly kind: 'synthetic';
      readonly input: Lengths;
      readonly output: Lengths;
      readonly prefixGroups: number;
      readonly prefixTokens: number;
    }
  | { readonly kind: 'file'; readonly file: string };

const VALUES = [
  'rate ramp steps clients duration calls burstiness most-at-once trace speed input output prefix-groups prefix-tokens prompts model endpoint',
  'extra timeout cancel warmup seed slo label out key config host port',
];
const SWITCHES = ['constant', 'no-stream', 'json', 'save-calls'] as const;
/** Every flag of `headgate load`, for commands that take them beside their own. */
export const LOAD_FLAGS = {
  ...Object.fromEntries(
    VALUES.join(' ')
      .split(' ')
      .map((name) => [name, { type: 'string' } as const]),
  ),
  ...Object.fromEntries(SWITCHES.map((name) => [name, { type: 'boolean' } as const])),
  header: { type: 'string', multiple: true },
  help: { type: 'boolean', short: 'h' },
} as const;

const USUAL_SECONDS = 30;
const USUAL_RATE = 5;
const MOST_CLIENTS = 100_000;
/** Calls under way, unless --most-at-once says otherwise. */
export const MOST_AT_ONCE = 100_000;
/** Each is planned before the first is sent, and kept until the last has ended. */
const MOST_CALLS = 10_000_000;

/** Reads the command line of `headgate load`. `env` has the key where no flag has. */
export function readLoadOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Read<LoadOptions> {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options: LOAD_FLAGS, allowPositionals: true });
    const given = values as Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
    if (given['help'] === true) return { kind: 'help' };
    const text = (name: string): string | null => (given[name] as string | undefined) ?? null;
    // --slo ttft:500 tpot:50: its further parts are words of their own to a shell.
    const [sloParts, words] = [
      positionals.filter((word) => /^(ttft|tpot|itl|e2el?):/.test(word)),
      positionals.filter((word) => !/^(ttft|tpot|itl|e2el?):/.test(word)),
    ];
    if (words.length > 1) throw new UsageError(`one URL at most: ${words.join(' and ')} are too many`);
    const slo = readSlo([text('slo') ?? '', ...sloParts].join(' '));
    if (typeof slo === 'string') throw new UsageError(slo);
    const endpoint = oneOf('endpoint', text('endpoint') ?? 'chat', ['chat', 'completions', 'embeddings'] as const);
    return {
      kind: 'options',
      options: {
        url: words[0] === undefined ? null : readUrl(words[0]),
        where: whereOf(text),
        key: keyOf(text, env),
        model: text('model'),
        endpoint,
        stream: given['no-stream'] !== true && endpoint !== 'embeddings',
        headers: readHeaders((given['header'] as readonly string[] | undefined) ?? []),
        extra: readExtra(text('extra')),
        timeoutMs: span('timeout', text('timeout'), 600_000),
        schedule: readSchedule(text, given['constant'] === true),
        prompts: readPrompts(text),
        cancelShare: number('cancel', text('cancel'), 0, 0, 1),
        warmup: whole('warmup', text('warmup'), 1, 0),
        seed: whole('seed', text('seed'), 1, 0),
        slo,
        label: text('label'),
        out: text('out'),
        json: given['json'] === true,
        withCalls: given['save-calls'] === true,
      },
    };
  } catch (error) {
    return { kind: 'usage', problem: (error as Error).message };
  }
}

type Text = (name: string) => string | null;

function readSchedule(text: Text, isConstant: boolean): Schedule {
  const ways = ['rate', 'ramp', 'steps', 'clients', 'trace'].filter((name) => text(name) !== null);
  if (ways.length > 1) throw new UsageError(`--${ways.join(' and --')} are different loads; choose one`);
  const mostAtOnce = whole('most-at-once', text('most-at-once'), MOST_AT_ONCE, 1);
  const [calls, duration] = [text('calls'), text('duration')];
  if (text('trace') !== null) {
    if (calls !== null || duration !== null) throw new UsageError('a trace has its own length; --speed makes it faster');
    return { kind: 'trace', file: text('trace')!, speed: number('speed', text('speed'), 1, 0.001, 1000), mostAtOnce };
  }
  if (text('clients') !== null) {
    const forMs = duration === null ? (calls === null ? USUAL_SECONDS * 1000 : Infinity) : span('duration', duration, 0);
    return {
      kind: 'clients',
      clients: whole('clients', text('clients'), 1, 1, MOST_CLIENTS),
      calls: calls === null ? Infinity : whole('calls', calls, 1, 1, MOST_CALLS),
      forMs,
    };
  }
  if (isConstant && text('burstiness') !== null) throw new UsageError('--constant has no bursts; leave out --burstiness');
  const burstiness = isConstant ? null : number('burstiness', text('burstiness'), 1, 0.01, 1000);
  return { kind: 'rates', stages: readStages(text, calls, duration), burstiness, mostAtOnce };
}

function readStages(text: Text, calls: string | null, duration: string | null): readonly RateStage[] {
  const seconds = span('duration', duration, USUAL_SECONDS * 1000) / 1000;
  const rateOf = (flag: string, value: string, least: number): number => number(flag, value, 0, least, 1_000_000);
  const [ramp, steps] = [text('ramp'), text('steps')];
  if (calls !== null && (ramp !== null || steps !== null))
    throw new UsageError('--ramp and --steps last as --duration says; leave out --calls');
  if (ramp !== null) {
    const [from, to, ...rest] = ramp.split(':');
    if (from === undefined || to === undefined || rest.length > 0)
      throw new UsageError(`--ramp is written FROM:TO, such as 1:20; not ${ramp}`);
    const stage = { from: rateOf('ramp', from, 0), to: rateOf('ramp', to, 0), seconds };
    if (stage.from + stage.to === 0) throw new UsageError('--ramp 0:0 never sends a call');
    return [stage];
  }
  if (steps !== null) {
    return steps.split(',').map((step) => {
      const [rate = '', length] = step.split(':');
      const value = rateOf('steps', rate, 0);
      return { from: value, to: value, seconds: length === undefined ? seconds : span('steps', length, 0) / 1000 };
    });
  }
  const rate = rateOf('rate', text('rate') ?? String(USUAL_RATE), 0.001);
  if (calls !== null && duration !== null) throw new UsageError('--rate, --calls and --duration are one too many');
  return [{ from: rate, to: rate, seconds: calls === null ? seconds : whole('calls', calls, 1, 1, MOST_CALLS) / rate }];
}

function readPrompts(text: Text): PromptOptions {
  const file = text('prompts');
  const own = ['input', 'output', 'prefix-groups', 'prefix-tokens'].filter((name) => text(name) !== null);
  if (text('trace') !== null && (file !== null || own.length > 0))
    throw new UsageError(`a trace says how long prompts are; leave out --${file === null ? own[0] : 'prompts'}`);
  if (file !== null) {
    if (own.length > 0) throw new UsageError(`--prompts has its own prompts; leave out --${own[0]}`);
    return { kind: 'file', file };
  }
  const prefixGroups = whole('prefix-groups', text('prefix-groups'), 0, 0);
  if (prefixGroups === 0 && text('prefix-tokens') !== null) throw new UsageError('--prefix-tokens needs --prefix-groups N');
  return {
    kind: 'synthetic',
    input: lengths('input', text('input')),
    output: lengths('output', text('output')),
    ...{ prefixGroups, prefixTokens: whole('prefix-tokens', text('prefix-tokens'), 256, 1) },
  };
}

const USUAL_LENGTHS = { input: 'lognormal:128:0.5', output: 'lognormal:64:0.5' } as const;

/** How many tokens prompts and answers have. @throws UsageError */
export function lengths(name: keyof typeof USUAL_LENGTHS, text: string | null): Lengths {
  const read = readLengths(text ?? USUAL_LENGTHS[name]);
  if (read === null) throw new UsageError(`--${name} is a number of tokens, uniform:LEAST:MOST or lognormal:MEDIAN:SIGMA; not ${text}`);
  return read;
}

/** The flags of the settings that say where the gateway is, as they were typed. */
export function whereOf(text: Text): readonly string[] {
  return ['config', 'host', 'port'].flatMap((name) => (text(name) === null ? [] : [`--${name}`, text(name)!]));
}

/** With which calls are made: of a flag, or of the environment. */
export function keyOf(text: Text, env: Readonly<Record<string, string | undefined>>): string | null {
  return text('key') ?? (env['HEADGATE_API_KEY'] || env['OPENAI_API_KEY'] || null);
}

function readHeaders(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const [, name, value] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*)$/.exec(line) ?? [];
      if (name === undefined || value === undefined) throw new UsageError(`--header is written NAME: VALUE; not ${line.split(':')[0]}`);
      return [name.toLowerCase(), value];
    }),
  );
}

/** `{…}` itself, or @FILE. */
function readExtra(text: string | null): Readonly<Record<string, unknown>> {
  if (text === null) return {};
  const json = text.startsWith('@') ? readFileSync(text.slice(1), 'utf8') : text;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (error) {
    throw new UsageError(`--extra is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new UsageError('--extra must be a JSON object, such as {"temperature": 0}');
  return value as Readonly<Record<string, unknown>>;
}
