import { parseArgs } from 'node:util';
import { CASES } from './cases.ts';

export interface Against {
  readonly name: string;
  readonly url: URL;
  /** null: its CPU time and memory are not measured. */
  readonly pid: number | null;
}

export interface Options {
  readonly rounds: number;
  readonly seconds: number;
  readonly cases: readonly string[];
  /** null: all that are there. */
  readonly proxies: readonly string[] | null;
  readonly against: readonly Against[];
  readonly stubPort: number;
  /** Programs to do without, as if they were not installed. */
  readonly without: ReadonlySet<string>;
  readonly peers: boolean;
  /** Where the result goes; null: a folder of its own below experiments/runs. */
  readonly json: string | null;
  readonly compares: boolean;
  readonly records: boolean;
  readonly ratiosFile: string | null;
  readonly growth: number;
}

export type ReadOptions =
  | { readonly kind: 'options'; readonly options: Options }
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly problem: string };

const FLAGS = {
  rounds: { type: 'string' },
  seconds: { type: 'string' },
  only: { type: 'string' },
  proxies: { type: 'string' },
  against: { type: 'string', multiple: true },
  'stub-port': { type: 'string' },
  without: { type: 'string' },
  peers: { type: 'boolean' },
  json: { type: 'string' },
  compare: { type: 'boolean' },
  record: { type: 'boolean' },
  ratios: { type: 'string' },
  growth: { type: 'string' },
  quick: { type: 'boolean' },
  all: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const QUICK = ['chat', 'stream-64', 'stream-256', 'light', 'idle'];

/** Reads the command line of the bench. `known`: the proxies that there can be; `peers`: those that --peers brings besides. */
export function readOptions(argv: readonly string[], known: readonly string[], peers: readonly string[]): ReadOptions {
  try {
    const { values } = parseArgs({ args: [...argv], options: FLAGS });
    if (values.help) return { kind: 'help' };
    const { all = false, quick = false } = values;
    if (all && quick) throw new UsageError('--all and --quick are two different things');
    const usual = quick ? QUICK : CASES.filter(({ isLong }) => all || !isLong).map(({ name }) => name);
    const against = (values.against ?? []).map(readAgainst);
    const stubPort = number('stub-port', values['stub-port'], 0, 0);
    if (against.length > 0 && stubPort === 0)
      throw new UsageError('--against needs --stub-port PORT: where the other gateway is told to find its worker');
    const proxies = words(values.proxies);
    return {
      kind: 'options',
      options: {
        rounds: number('rounds', values.rounds, quick ? 2 : 5, 1),
        seconds: number('seconds', values.seconds, all ? 4 : quick ? 1 : 2, 0.2),
        cases:
          chosen(
            'case',
            words(values.only),
            CASES.map(({ name }) => name),
          ) ?? usual,
        proxies: chosen('proxy', proxies, [...known, ...(values.peers === true ? peers : []), ...against.map(({ name }) => name)]),
        ...{ against, stubPort },
        without: new Set(words(values.without)),
        peers: values.peers ?? false,
        json: values.json ?? null,
        compares: values.compare ?? false,
        records: values.record ?? false,
        ratiosFile: values.ratios ?? null,
        growth: number('growth', values.growth, 0.15, 0),
      },
    };
  } catch (error) {
    return { kind: 'usage', problem: (error as Error).message };
  }
}

class UsageError extends Error {}

function readAgainst(text: string): Against {
  const [, name, address, pid] = /^([\w.-]+)=(http:\/\/[^,]+)(?:,(\d+))?$/.exec(text) ?? [];
  if (name === undefined || address === undefined)
    throw new UsageError(`--against is NAME=URL,PID, such as olla=http://127.0.0.1:4000,1234; not ${text}`);
  const url = new URL(address);
  if (!['127.0.0.1', 'localhost'].includes(url.hostname))
    throw new UsageError(`--against measures what runs on this machine, not ${url.hostname}`);
  return { name, url, pid: pid === undefined ? null : Number(pid) };
}

function number(flag: string, text: string | undefined, usual: number, least: number): number {
  const value = text === undefined ? usual : Number(text);
  if (!(value >= least)) throw new UsageError(`--${flag} must be a number from ${least} on, not ${text}`);
  return value;
}

function words(text: string | undefined): readonly string[] | null {
  return text === undefined ? null : text.split(',').filter((word) => word !== '');
}

function chosen(what: string, names: readonly string[] | null, known: readonly string[]): readonly string[] | null {
  const unknown = names?.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no ${what} ${unknown}; there are ${known.join(', ')}`);
  return names;
}
