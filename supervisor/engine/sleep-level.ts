/** What an engine keeps when it sleeps: 1 its weights, in main memory · 2 nothing: it reads them from the disk again when it wakes. */
export type SleepLevel = 1 | 2;

/** Beside the weights, for everything else on the machine. */
const HOST_RESERVE_BYTES = 2 * 2 ** 30;

/** The level to sleep at: weights that main memory has no room for would get the engine, or somebody else, killed. */
export function sleepLevel(wanted: SleepLevel, weightsGib: number | null, hostFreeBytes: number | null): SleepLevel {
  if (wanted === 2 || weightsGib === null || hostFreeBytes === null) return wanted;
  return weightsGib * 2 ** 30 + HOST_RESERVE_BYTES <= hostFreeBytes ? 1 : 2;
}
