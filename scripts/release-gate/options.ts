import { parseArgs } from 'node:util';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { keyOf, lengths, whereOf } from '../load/options.ts';
import type { Lengths } from '../load/workload/lengths.ts';
import { number, type Read, readUrl, span, UsageError, whole } from '../program/flags.ts';
import { isProfile, PROFILE_NAMES, type ProfileName } from './profile-names.ts';

/** What the command line asks for; nothing of it has been looked up yet. */
export interface GateOptions {
  /** null: the gateway that runs here. */
  readonly url: string | null;
  readonly where: readonly string[];
  readonly preset: string | null;
  readonly criteria: string | null;
  readonly only: readonly ProfileName[];
  /** Of the usual times. */
  readonly scale: number;
  /** null: 30 minutes, or one where all is to be quick. */
  readonly soakMs: number;
  /** Calls a second; null: measured. */
  readonly capacity: number | null;
  readonly model: string | null;
  readonly key: string | null;
  readonly floodKey: string | null;
  readonly adminKey: string | null;
  readonly input: Lengths;
  readonly output: Lengths;
  readonly seed: number;
  readonly out: string | null;
  readonly json: boolean;
}

const QUICK = 0.15;
const SOAK_MS = 1_800_000;
const QUICK_SOAK_MS = 60_000;
const VALUES = 'preset criteria only soak capacity model key flood-key admin-key input output seed out config host port'.split(' ');
const FLAGS = {
  ...Object.fromEntries(VALUES.map((name) => [name, { type: 'string' } as const])),
  quick: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

/** Reads the command line of `headgate release-gate`. `env` has the keys where no flag has. */
export function readGateOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Read<GateOptions> {
  try {
    const { values, positionals } = parseArgs({ args: [...argv], options: FLAGS, allowPositionals: true });
    const given = values as Readonly<Record<string, string | boolean | undefined>>;
    if (given['help'] === true) return { kind: 'help' };
    const text = (name: string): string | null => (given[name] as string | undefined) ?? null;
    if (positionals.length > 1) throw new UsageError(`one URL at most: ${positionals.join(' and ')} are too many`);
    const isQuick = given['quick'] === true;
    return {
      kind: 'options',
      options: {
        url: positionals[0] === undefined ? null : readUrl(positionals[0]),
        where: whereOf(text),
        preset: text('preset'),
        criteria: text('criteria'),
        only: readOnly(text('only')),
        scale: isQuick ? QUICK : 1,
        soakMs: span('soak', text('soak'), isQuick ? QUICK_SOAK_MS : SOAK_MS),
        capacity: text('capacity') === null ? null : number('capacity', text('capacity'), 0, 0.001, 1_000_000),
        model: text('model'),
        key: keyOf(text, env),
        floodKey: text('flood-key'),
        adminKey: text('admin-key'),
        input: lengths('input', text('input')),
        output: lengths('output', text('output')),
        seed: whole('seed', text('seed'), 1, 0),
        out: text('out'),
        json: given['json'] === true,
      },
    };
  } catch (error) {
    return { kind: 'usage', problem: (error as Error).message };
  }
}

function readOnly(asked: string | null): ProfileName[] {
  if (asked === null) return [...PROFILE_NAMES];
  const names = asked.split(',').map((name) => name.trim());
  for (const name of names) {
    if (isProfile(name)) continue;
    const near = nearestName(name, PROFILE_NAMES);
    throw new UsageError(
      `--only ${name}: there is no such profile; ${near === null ? `there are ${PROFILE_NAMES.join(', ')}` : `did you mean ${near}?`}`,
    );
  }
  return PROFILE_NAMES.filter((name) => names.includes(name));
}
