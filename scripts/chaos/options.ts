import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { type Read, UsageError, whole } from '../program/flags.ts';

/** What the command line asks for. */
export interface ChaosOptions {
  /** Names of rows, all of them known; null: all. */
  readonly rows: readonly string[] | null;
  readonly list: boolean;
  /** So many random schedules instead of rows; null: rows. */
  readonly random: number | null;
  readonly seed: number;
  readonly atOnce: number;
  /** null: a folder of its own below experiments/runs. */
  readonly out: string | null;
  readonly json: boolean;
}

const FLAGS = {
  rows: { type: 'string' },
  quick: { type: 'boolean' },
  list: { type: 'boolean' },
  random: { type: 'string' },
  seed: { type: 'string' },
  'at-once': { type: 'string' },
  out: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const MOST_AT_ONCE = 16;
const USUAL_AT_ONCE = 4;

/** Reads the command line of `headgate chaos`. `known`: the names of all rows; `quick`: those of a quick look. */
export function readChaosOptions(argv: readonly string[], known: readonly string[], quick: readonly string[]): Read<ChaosOptions> {
  try {
    const { values } = parseArgs({ args: [...argv], options: FLAGS });
    if (values.help === true) return { kind: 'help' };
    if (values.random !== undefined && (values.rows !== undefined || values.quick === true))
      throw new UsageError('--random plays schedules instead of rows: leave out --rows and --quick');
    const rows = values.rows === undefined ? (values.quick === true ? quick : null) : named(values.rows, known);
    return {
      kind: 'options',
      options: {
        rows,
        list: values.list === true,
        random: values.random === undefined ? null : whole('random', values.random, 0, 1, 1_000_000),
        seed: whole('seed', values.seed ?? null, 1, 0, 2 ** 31),
        atOnce: whole('at-once', values['at-once'] ?? null, Math.min(USUAL_AT_ONCE, availableParallelism()), 1, MOST_AT_ONCE),
        out: values.out ?? null,
        json: values.json === true,
      },
    };
  } catch (error) {
    return { kind: 'usage', problem: (error as Error).message };
  }
}

function named(text: string, known: readonly string[]): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new UsageError(`there is no row "${unknown}"; "headgate chaos --list" names them`);
  return names;
}
