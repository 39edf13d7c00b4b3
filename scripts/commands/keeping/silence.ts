import type { Clock } from '../../../gateway/core/clock.ts';
import type { Sound } from '../../../gateway/link/ask-state.ts';

/** How long each may last, in milliseconds, until the one who is listened to counts as hung. */
export type SilenceLimits = Readonly<Record<Exclude<Sound, 'answers'>, number>>;

/** Fewer looks than this prove nothing: whoever looks may have been held up itself. */
const LOOKS = 5;

/** Tells a supervisor that hangs from one that is busy, by what is heard of it at every look. */
export class Silence {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #limits: SilenceLimits;
  #sinceMs = 0;
  #looks = 0;

  constructor(clock: Pick<Clock, 'now'>, limits: SilenceLimits) {
    this.#clock = clock;
    this.#limits = limits;
  }

  /** What is heard now. @returns whether nothing else has been heard for too long */
  isTooLong(sound: Sound): boolean {
    if (sound === 'answers') {
      this.end();
      return false;
    }
    if (this.#looks === 0) this.#sinceMs = this.#clock.now();
    this.#looks += 1;
    return this.#looks >= LOOKS && this.#clock.now() - this.#sinceMs >= this.#limits[sound];
  }

  /** It is somebody else who is listened to from now on, or one who has spoken. */
  end(): void {
    this.#looks = 0;
  }
}
