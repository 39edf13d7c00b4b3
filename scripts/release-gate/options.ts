import { parseArgs } from 'node:util';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { type Lengths, readLengths } from '../load/workload/lengths.ts';
import { readSpan } from '../load/workload/span.ts';
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

type ReadOptions =
  | { readonly kind: 'options'; readonly options: GateOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'usage'; readonly problem: string };

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

class UsageError extends Error {}

/** Reads the command line of `headgate release-gate`. `env` has the keys where no flag has. */
export function readGateOptions(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): ReadOptions {
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
        where: ['config', 'host', 'port'].flatMap((name) => (text(name) === null ? [] : [`--${name}`, text(name)!])),
        preset: text('preset'),
        criteria: text('criteria'),
        only: readOnly(text('only')),
        scale: isQuick ? QUICK : 1,
        soakMs: span('soak', text('soak'), isQuick ? QUICK_SOAK_MS : SOAK_MS),
        capacity: text('capacity') === null ? null : positive('capacity', text('capacity')!),
        model: text('model'),
        key: text('key') ?? (env['HEADGATE_API_KEY'] || env['OPENAI_API_KEY'] || null),
        floodKey: text('flood-key'),
        adminKey: text('admin-key'),
        input: lengths('input', text('input') ?? 'lognormal:128:0.5'),
        output: lengths('output', text('output') ?? 'lognormal:64:0.5'),
        seed: whole('seed', text('seed') ?? '1'),
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

function readUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !/^https?:$/.test(url.protocol)) throw new UsageError(`${text} is no URL such as http://127.0.0.1:8080`);
  return text.replace(/\/$/, '');
}

function span(name: string, text: string | null, usual: number): number {
  if (text === null) return usual;
  const ms = readSpan(text);
  if (ms === null || ms <= 0) throw new UsageError(`--${name} ${text} is no time; write for instance 30m or 24h`);
  return ms;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < 1e6)) throw new UsageError(`--${name} ${text} is no number of calls a second`);
  return value;
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new UsageError(`--${name} ${text} is no whole number`);
  return value;
}

function lengths(name: string, text: string): Lengths {
  const read = readLengths(text);
  if (read === null) throw new UsageError(`--${name} ${text} is no length; write 256, uniform:10:500 or lognormal:256:0.5`);
  return read;
}
