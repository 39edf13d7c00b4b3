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

/** At how many other workers a stream of a model goes on; 0: at none. */
export function resumesOf(
  settings: { readonly resume: { readonly enabled: boolean; readonly max: number }; readonly models: readonly ModelWord[] },
  model: string,
): number {
  const own = settings.models.find(({ id }) => id === model)?.resume ?? null;
  return (own ?? settings.resume.enabled) ? settings.resume.max : 0;
}

interface ModelWord {
  readonly id: string;
  readonly resume: boolean | null;
}
