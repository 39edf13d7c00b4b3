const SHARE = process.env['LAWS'] === 'all' ? 1 : 0.4;

/**
 * How many histories a law that takes seconds is tried on: all of them with LAWS=all (`npm run laws`), a part in every other run of the
 * tests. Those with a seed of their own are the first of the same ones.
 */
export function histories(all: number): number {
  return Math.ceil(all * SHARE);
}
