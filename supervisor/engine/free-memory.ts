import type { Clock } from '../../gateway/core/clock.ts';
import { sleep } from '../../gateway/core/clock.ts';
import type { Failure } from '../failure/failure.ts';
import { vramBusy, vramNeverFree } from '../failure/failure.ts';
import type { ComputeApp, CardReader } from '../gpu/gpu.ts';
import { neededBytes, utilizationLimit } from '../gpu/memory.ts';

const POLL_MS = 500;

/**
 * Waits until a GPU has room for a start: the memory of a process that has just ended comes back only after a while.
 * Resolves with null when it has (or when nobody can say), or with the failure: after `patienceMs`, or at once where so much is never
 * free. `isOver` ends the waiting early.
 */
export async function awaitFreeMemory(
  clock: Clock,
  cards: CardReader,
  gpuUuid: string,
  utilization: number,
  patienceMs: number,
  isOver: () => boolean,
): Promise<Failure | null> {
  const begunAtMs = clock.now();
  const untilMs = begunAtMs + patienceMs;
  for (;;) {
    // What was free before may have been taken, or given back, by the very change that this start is a part of.
    const gpu = (await cards.read(begunAtMs)).find(({ uuid }) => uuid === gpuUuid);
    if (!gpu || gpu.memoryFreeBytes === null || isOver()) return null;
    const freeBytes = gpu.memoryFreeBytes;
    if (freeBytes >= neededBytes(gpu, utilization)) return null;
    if (utilization > utilizationLimit(gpu)) return vramNeverFree(gpu, freeBytes, utilization);
    if (clock.now() >= untilMs) return withHolders(vramBusy(gpu, freeBytes, utilization), (await cards.apps?.()) ?? [], gpuUuid);
    await sleep(clock, POLL_MS);
  }
}

/** The same failure, naming who holds the memory. */
export function withHolders(failure: Failure, apps: readonly ComputeApp[], gpuUuid: string): Failure {
  const holders = apps.filter((app) => app.gpuUuid === gpuUuid);
  return holders.length === 0
    ? failure
    : { ...failure, message: `${failure.message} It is held by ${holders.map(describeApp).join(', ')}.` };
}

/** Such as `VLLM::EngineCore (process 4121, 11.2 GiB)`. */
export function describeApp({ pid, name, memoryBytes }: ComputeApp): string {
  const amount = memoryBytes === null ? '' : `, ${(memoryBytes / 2 ** 30).toFixed(1)} GiB`;
  return `${name} (process ${pid}${amount})`;
}
