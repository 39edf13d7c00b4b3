import type { Place } from '../load/place.ts';
import type { AdminDoor } from './live/trial.ts';

/** What a test needs of the place where it is run. */
export interface AbtestPlace extends Place {
  /**
   * Where operators are heard of the gateway at `base`, and with which key, by the flags of the settings that say where.
   * @throws Error in words when there is no key
   */
  findAdmin(where: readonly string[], base: string): Promise<AdminDoor>;
}
