import type { Clock } from '../../gateway/core/clock.ts';
import { sleep, stayAlive } from '../../gateway/core/clock.ts';
import type { CardReader, GpuReading } from './gpu.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import type { LookPatience } from '../system/policy.ts';

interface FirstLook {
  readonly gpus: readonly GpuReading[];
  /** What kept it from seeing GPUs to the last, in plain words; null where nothing was wrong, if only because there are none. */
  readonly problem: string | null;
}

/** The look at the machine's GPUs that decides what is launched; after a boot a driver may come later than we do. Never throws. */
export async function firstLook(cards: CardReader, clock: Clock, log: Log, { times, pauseMs }: LookPatience): Promise<FirstLook> {
  for (let look = 1; ; look += 1) {
    const gpus = await cards.read(clock.now());
    const problem = gpus.length > 0 ? null : (cards.problem?.() ?? null);
    if (problem === null || look >= times) return { gpus, problem };
    log.warn('supervisor.plan', `The GPUs cannot be seen: ${problem}. Asking again in ${pauseMs / 1000} s.`);
    const alive = stayAlive();
    await sleep(clock, pauseMs);
    alive.cancel();
  }
}
