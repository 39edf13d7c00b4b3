import { FLAGS } from '../../flags/flag-table.ts';
import type { FlagKind, FlagRow } from '../../flags/flag-table.ts';

export type FlagValue = string | number | boolean | readonly (string | number)[] | null;

/** A command line that argparse would refuse; exit status 2. */
export class UsageError extends Error {}

interface ParsedFlags {
  /** The positional argument. */
  readonly model: string | null;
  /** What was given, by its long name without dashes, with underscores. */
  readonly values: ReadonlyMap<string, FlagValue>;
}

interface Flag {
  readonly row: FlagRow;
  readonly key: string;
  readonly negated: boolean;
}

function keyOf(row: FlagRow): string {
  return row[0].split(' ')[0]!.slice(2).replaceAll('-', '_');
}

const BY_NAME = new Map<string, Flag>();
for (const row of FLAGS) {
  const key = keyOf(row);
  for (const name of row[0].split(' ')) BY_NAME.set(name, { row, key, negated: false });
  for (const name of row[0].split(' ')) {
    if (row[1] === 'bool' && name.startsWith('--')) BY_NAME.set(`--no-${name.slice(2)}`, { row, key, negated: true });
  }
}

/** `--max_num-seqs` and `--max-num-seqs` are the same flag; what follows `=` is left alone. */
function canonical(argument: string): { readonly name: string; readonly inline: string | null } {
  const equals = argument.indexOf('=');
  const name = equals < 0 ? argument : argument.slice(0, equals);
  return { name: name.startsWith('--') ? name.replaceAll('_', '-') : name, inline: equals < 0 ? null : argument.slice(equals + 1) };
}

function isNumberLike(text: string): boolean {
  return /^-\d+$|^-\d*\.\d+$/.test(text);
}

function looksLikeFlag(argument: string): boolean {
  return argument.startsWith('-') && argument !== '-' && !isNumberLike(argument) && !argument.includes(' ');
}

/** Finds the flag by its name or by a prefix that only it has. */
function findFlag(name: string): Flag | undefined {
  const exact = BY_NAME.get(name);
  if (exact !== undefined || !name.startsWith('--') || name.length < 3) return exact;
  const matches = [...BY_NAME.keys()].filter((candidate) => candidate.startsWith(name));
  if (matches.length > 1) throw new UsageError(`ambiguous option: ${name} could match ${matches.join(', ')}`);
  return matches[0] === undefined ? undefined : BY_NAME.get(matches[0]);
}

/** `8k` is 8000 and `8K` is 8192, as vLLM reads sizes; null for what is neither. */
function humanInt(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)([kKmMgGtT])?$/.exec(text.trim());
  if (match === null) return null;
  const scale: Record<string, number> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30, T: 2 ** 40 };
  return Math.floor(Number(match[1]) * (match[2] === undefined ? 1 : scale[match[2]]!));
}

function convert(row: FlagRow, text: string): string | number | null {
  const [names, kind, choices] = row;
  const refuse = (why: string): UsageError => new UsageError(`argument ${names.replaceAll(' ', '/')}: ${why}`);
  const value = convertKind(kind, text);
  if (value === undefined) throw refuse(`invalid ${kind.replace(/[+?]$/, '').replace(/^human.*/, 'int')} value: '${text}'`);
  if (choices !== undefined && !choices.split(' ').includes(text)) {
    const listed = choices
      .split(' ')
      .map((choice) => `'${choice}'`)
      .join(', ');
    throw refuse(`invalid choice: '${text}' (choose from ${listed})`);
  }
  return value;
}

/** The value, or undefined where `text` is not of that kind. */
function convertKind(kind: FlagKind, text: string): string | number | null | undefined {
  switch (kind) {
    case 'int':
    case 'int+':
      return /^[-+]?\d+$/.test(text) ? Number(text) : undefined;
    case 'float':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? Number(text) : undefined;
    case 'human-or-auto':
      if (text === 'auto' || text === '-1') return 'auto';
      return humanInt(text) ?? undefined;
    case 'human':
      return humanInt(text) ?? undefined;
    default:
      return text;
  }
}

/** Reads arguments as `vllm serve` does. Throws UsageError. */
export function parseFlags(argv: readonly string[]): ParsedFlags {
  const values = new Map<string, FlagValue>();
  const unknown: string[] = [];
  let model: string | null = null;
  for (let at = 0; at < argv.length; at++) {
    const argument = argv[at]!;
    if (!looksLikeFlag(argument)) {
      if (model === null) model = argument;
      else unknown.push(argument);
      continue;
    }
    const { name, inline } = canonical(shortForms(argument));
    // `-cc.cudagraph_mode=NONE` sets one key of a flag that takes JSON.
    const dotted = name.indexOf('.');
    const flag = findFlag(dotted > 0 ? name.slice(0, dotted) : name);
    if (flag === undefined) {
      unknown.push(argument);
      continue;
    }
    const { row, key, negated } = flag;
    const [names, kind] = row;
    if (kind === 'switch' || kind === 'bool') {
      if (inline !== null) throw new UsageError(`argument ${names.replaceAll(' ', '/')}: ignored explicit argument '${inline}'`);
      values.set(key, !negated);
      continue;
    }
    const given: string[] = inline === null ? [] : [inline];
    const most = kind.endsWith('+') ? Infinity : 1;
    while (inline === null && given.length < most && at + 1 < argv.length && !looksLikeFlag(argv[at + 1]!)) given.push(argv[++at]!);
    if (given.length === 0 && !kind.endsWith('?')) {
      throw new UsageError(`argument ${names.replaceAll(' ', '/')}: expected ${most === 1 ? 'one argument' : 'at least one argument'}`);
    }
    if (dotted > 0) values.set(key, mergeDotted(values.get(key), name.slice(dotted + 1), given[0] ?? ''));
    else if (kind.endsWith('+'))
      values.set(
        key,
        given.map((text) => convert(row, text)!),
      );
    else values.set(key, given.length === 0 ? null : convert(row, given[0]!));
  }
  if (unknown.length > 0) throw new UsageError(`unrecognized arguments: ${withValues(argv, unknown)}`);
  return { model, values };
}

/** `-O3` is `--optimization-level 3`. */
function shortForms(argument: string): string {
  const level = /^-O(\d)$/.exec(argument);
  return level === null ? argument : `--optimization-level=${level[1]}`;
}

function mergeDotted(before: FlagValue | undefined, path: string, text: string): string {
  const merged: Record<string, unknown> = typeof before === 'string' ? (JSON.parse(before) as Record<string, unknown>) : {};
  merged[path.replaceAll('-', '_')] = text;
  return JSON.stringify(merged);
}

/** The arguments that were not understood, in their order; the value after an unknown flag counts as one. */
function withValues(argv: readonly string[], unknown: readonly string[]): string {
  const left = [...unknown];
  return argv.filter((argument) => left[0] === argument && left.shift() !== undefined).join(' ');
}
