/** A value of an engine flag, as a shell has it. */
export type FlagValue = number | string | boolean;

/** A flag of `vllm serve`, underscores for dashes, and what is tried of it: numbers in rising order. */
export interface Axis {
  readonly flag: string;
  readonly values: readonly FlagValue[];
}

/** One choice on every axis. */
export interface Point {
  /** Names it within its grid: `max_num_seqs=64 max_num_batched_tokens=4096`. */
  readonly key: string;
  readonly flags: Readonly<Record<string, FlagValue>>;
}

/** What is tried where neither the command line nor the profile of the card says. */
export const USUAL_GRID: readonly Axis[] = [
  { flag: 'max_num_seqs', values: [64, 128, 256] },
  { flag: 'max_num_batched_tokens', values: [4096, 8192, 16_384] },
];

/** More points than this are weeks on a real card. */
export const MOST_POINTS = 400;
const QUICK_VALUES = 3;

/** Reads `max-num-seqs=64,128,256`. @returns what is wrong, as a text */
export function readAxis(text: string): Axis | string {
  const [, name, list] = /^(?:--)?([a-z][a-z0-9_-]*)=(.+)$/.exec(text.trim()) ?? [];
  if (name === undefined || list === undefined) return `--grid is written FLAG=VALUE,VALUE,… such as max-num-seqs=64,128; not ${text}`;
  const words = list.split(',').map((word) => word.trim());
  if (words.includes('')) return `--grid ${name} has an empty value in ${list}`;
  const values = [...new Set(words.map(readValue))];
  const isNumeric = values.every((value) => typeof value === 'number');
  return { flag: name.replaceAll('-', '_'), values: isNumeric ? values.toSorted((a, b) => Number(a) - Number(b)) : values };
}

function readValue(word: string): FlagValue {
  if (word === 'true' || word === 'false') return word === 'true';
  return /^-?\d+(\.\d+)?$/.test(word) ? Number(word) : word;
}

/** The ends of each axis and its middle: a first impression. */
export function quickGrid(axes: readonly Axis[]): readonly Axis[] {
  return axes.map(({ flag, values }) => {
    if (values.length <= QUICK_VALUES) return { flag, values };
    return { flag, values: [values[0]!, values[Math.floor((values.length - 1) / 2)]!, values.at(-1)!] };
  });
}

export function pointOf(flags: Point['flags']): Point {
  return { key: flagsText(flags), flags };
}

/** Every point, those that ask for least first: the first axis changes fastest. */
export function pointsOf(axes: readonly Axis[]): readonly Point[] {
  const all = axes
    .toReversed()
    .reduce<readonly Point['flags'][]>(
      (before, { flag, values }) => before.flatMap((flags) => values.map((value) => ({ [flag]: value, ...flags }))),
      [{}],
    );
  return all.map(pointOf);
}

export function flagsText(flags: Point['flags']): string {
  return Object.entries(flags)
    .map(([flag, value]) => `${flag}=${value}`)
    .join(' ');
}
