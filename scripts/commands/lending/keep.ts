import { repeat, stayAlive, systemClock } from '../../../gateway/core/clock.ts';
import type { Hold, Loss } from './hold.ts';

const RENEW_MS = 5_000;
/** How long before the end a word is said. */
const WORD_MS = 60_000;
const LOOK_MS = 250;

interface Kept {
  /** Settled by `stop`. */
  readonly done: Promise<void>;
  stop(): void;
}

/** Keeps a lease alive while something uses the card, says when the time is almost up, and when it is over or lost calls `onOver`, once. */
export function keep(hold: Hold, say: (line: string) => void, onOver: (loss: Loss | 'time') => void): Kept {
  const { promise: done, resolve } = Promise.withResolvers<void>();
  let isStopped = false;
  let isOver = false;
  let isWarned = false;
  let isAway = false;
  let renewing: Promise<void> = Promise.resolve();

  function over(loss: Loss | 'time'): void {
    if (isOver) return;
    isOver = true;
    onOver(loss);
  }
  async function renew(): Promise<void> {
    const outcome = await hold.renew();
    if (isStopped) return;
    if (outcome === 'away' && !isAway) say('the gateway does not answer; the card stays in use, and the workers may come back to it');
    if (outcome === 'kept' && isAway) say('the gateway answers again; the card is still lent');
    isAway = outcome === 'away';
    if (typeof outcome === 'object') over(outcome);
  }
  const looks = repeat(systemClock, LOOK_MS, () => {
    const left = hold.leftMs();
    if (left <= WORD_MS && !isWarned) {
      isWarned = true;
      if (left > 0) say(`the card goes back in ${Math.ceil(left / 1000)} s`);
    }
    if (left <= 0) over('time');
  });
  const renewals = repeat(systemClock, RENEW_MS, () => (renewing = renew()));
  const alive = stayAlive();
  return {
    done,
    stop() {
      if (isStopped) return;
      isStopped = true;
      looks.cancel();
      renewals.cancel();
      // A sign of life that is on its way would bring back what is given back after it.
      void renewing.finally(() => {
        alive.cancel();
        resolve();
      });
    },
  };
}
