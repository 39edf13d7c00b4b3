import type { Clock, Timer } from '../core/clock.ts';
import { bounded } from './bounded.ts';
import type { Pace } from './pace.ts';
import type { Veil } from './veil/veil.ts';

/** What goes into a bundle under its name. */
export interface Part {
  readonly name: string;
  /** As JSON, at most. */
  readonly bytes: number;
  /** null: there is nothing of the kind. */
  readonly make: () => unknown;
}

/** What is not in it. */
export interface LeftOut {
  readonly part: string;
  readonly why: string;
}

/** A whole bundle is no longer than this, in bytes. */
export const MOST_BYTES = 5 * 1024 * 1024;
/** What answers later is left out. */
const PART_MS = 3_000;

/** One sentence each, of what looks wrong. Called when all parts are made, so that it can go by them. */
type Summary = () => readonly string[];

const NOTE =
  'Made to be attached to a public issue: look it over first. Only what is named in Headgate’s sources goes in. Where something private would stand there is its kind, a number and its length, as in <url #1, 27 characters>: the same number is the same text, within this file alone. Names of models and profiles are shown as they are. Prompts and answers are never in it.';

/**
 * The text of a bundle: pretty JSON, whole at any length. Parts are made one after the other, each within its time and its bytes; one that
 * fails is told of and costs no other. `missing`: what is not made at all, and why.
 */
export async function assemble(
  parts: readonly Part[],
  summary: Summary,
  veil: Veil,
  clock: Clock,
  pace: Pace,
  missing: readonly LeftOut[] = [],
): Promise<string> {
  const leftOut: LeftOut[] = [...missing];
  const texts: string[] = [];
  let left = MOST_BYTES - 64 * 1024;
  for (const { name, bytes, make } of parts) {
    await pace.rest();
    const made = await withinTime(clock, make);
    if (made.kind === 'failed') {
      leftOut.push({ part: name, why: made.why });
      continue;
    }
    if (made.value === null || made.value === undefined) {
      leftOut.push({ part: name, why: 'there is none here' });
      continue;
    }
    await pace.rest();
    const { value, isCut } = bounded(made.value, Math.min(bytes, left));
    if (isCut) leftOut.push({ part: name, why: `cut to some ${Math.round(Math.min(bytes, left) / 1024)} KiB; marks say where` });
    const text = await asText(veil, value, pace);
    const length = Buffer.byteLength(text);
    // What a stand-in takes that is longer than its secret is not known before.
    if (length > left) {
      leftOut.push({ part: name, why: 'no room was left for it' });
      continue;
    }
    left -= length;
    texts.push(`  ${JSON.stringify(name)}: ${text}`);
    await pace.rest();
  }
  const head: string[] = [];
  const about = {
    headgate_bundle: 1,
    generated_at: new Date(clock.wall()).toISOString(),
    about: NOTE,
    summary: bounded(summary(), 16 * 1024).value,
    left_out: leftOut,
  };
  for (const [name, value] of Object.entries(about)) head.push(`  ${JSON.stringify(name)}: ${await asText(veil, value, pace)}`);
  return `{\n${[...head, ...texts].join(',\n')}\n}\n`;
}

/** Deeper in, what is left is short. */
const WHOLE_FROM = 3;

/** Pretty JSON, in pieces between which others have their turn. */
async function asText(veil: Veil, value: unknown, pace: Pace, depth = 1): Promise<string> {
  const indent = '  '.repeat(depth);
  if (depth > WHOLE_FROM || typeof value !== 'object' || value === null || Object.keys(value).length === 0)
    return veil.last(JSON.stringify(value, null, 2).replaceAll('\n', `\n${indent}`));
  const isList = Array.isArray(value);
  const pieces: string[] = [];
  for (const [name, inner] of Object.entries(value)) {
    const text = await asText(veil, inner, pace, depth + 1);
    pieces.push(`${indent}  ${isList ? '' : `${veil.last(JSON.stringify(name))}: `}${text}`);
    await pace.rest();
  }
  const [open, close] = isList ? '[]' : '{}';
  return `${open}\n${pieces.join(',\n')}\n${indent}${close}`;
}

type Made = { readonly kind: 'made'; readonly value: unknown } | { readonly kind: 'failed'; readonly why: string };

async function withinTime(clock: Clock, make: () => unknown): Promise<Made> {
  let timer: Timer | null = null;
  const late = new Promise<Made>((resolve) => {
    timer = clock.after(PART_MS, () => resolve({ kind: 'failed', why: `it was not there within ${PART_MS / 1_000} s` }));
  });
  const made = async (): Promise<Made> => ({ kind: 'made', value: await make() });
  try {
    return await Promise.race([made(), late]);
  } catch (error) {
    // Its kind, not its text: that may say anything.
    const { name, code } = error as NodeJS.ErrnoException;
    const words = [name, code].filter((word) => typeof word === 'string' && /^\w{1,40}$/.test(word));
    return { kind: 'failed', why: `it could not be made (${words.join(' ')})` };
  } finally {
    (timer as Timer | null)?.cancel();
  }
}
