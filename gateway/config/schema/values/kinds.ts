import { z } from 'zod';
import { hostProblem } from './addresses.ts';

// Kinds of values that settings have.

export const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export const ms = (from: number, to: number = DAY_MS) => z.int().min(from).max(to);
export const count = (from: number, to: number) => z.int().min(from).max(to);
export const share = () => z.number().min(0).max(1);

/** A string that `problemOf` finds nothing wrong with. */
export function checked(problemOf: (text: string) => string | null) {
  return z.string().superRefine((text, context) => {
    const problem = problemOf(text);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });
}

export const host = () => checked(hostProblem);
export const secret = () => z.string().regex(/^[\x21-\x7e]{1,512}$/, 'expected 1 to 512 visible ASCII characters, without spaces');
export const adminKey = () =>
  z
    .string()
    .regex(/^[\x21-\x7e]{16,512}$/, 'expected 16 to 512 visible ASCII characters, without spaces; openssl rand -hex 32 makes a good one');
export const fileName = () =>
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'expected a name of letters, digits, dots, dashes and underscores');
// Goes into a response header, so ASCII only; the weights may lie under any name (source).
export const modelName = () =>
  z.string().regex(/^[\x21-\x7e]{1,256}$/, 'expected the id of a model: 1 to 256 visible ASCII characters, without spaces');
export const path = () => z.string().regex(/^[^\0]{1,4096}$/, 'expected a path');

export const processes = () =>
  z
    .union([count(1, 64), z.literal('auto')])
    .default(1)
    .describe('Processes that serve on the port together as one gateway, each on a core of its own. auto: one for each core, 16 at most.');
