import { z } from 'zod';
import { count } from './kinds.ts';

/** Streams whose worker is lost in the middle. */
export function resume() {
  return z.strictObject({
    enabled: z
      .boolean()
      .default(false)
      .describe('A stream whose worker is lost in the middle goes on at another worker of its model, where that is right.'),
    max: count(1, 10).default(2).describe('At how many other workers one stream goes on at most.'),
  });
}

/** A model's own word on it. */
export function resumeOfModel() {
  return z
    .boolean()
    .nullable()
    .default(null)
    .describe('Whether its streams go on at another worker when theirs is lost; null: as resume.enabled says.');
}

interface Wishes {
  readonly resume: { readonly enabled: boolean; readonly max: number };
  readonly models: readonly { readonly id: string; readonly resume: boolean | null }[];
}

/** At how many other workers a stream goes on that loses its own: of the models that say so themselves, and of all others; 0: at none. */
export function resumesIn({ resume: { enabled, max }, models }: Wishes): { byModel: ReadonlyMap<string, number>; others: number } {
  const own = models.flatMap(({ id, resume: word }) => (word === null ? [] : [[id, word ? max : 0] as const]));
  return { byModel: new Map(own), others: enabled ? max : 0 };
}
