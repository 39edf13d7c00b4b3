import type { Clock } from '../../gateway/core/clock.ts';
import { sleep } from '../../gateway/core/clock.ts';
import { describeApp } from '../engine/free-memory.ts';
import type { CardReader, GpuReading } from '../gpu/gpu.ts';
import { cudaTotalBytes, IDLE_BYTES } from '../gpu/memory.ts';
import { sleeperBytes } from '../plan/swap-rules.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import type { Slot } from './slot.ts';

/** What is needed of the slots of a card. */
export type CardUser = Pick<Slot, 'id' | 'state' | 'isHeld' | 'giveWay'> & {
  readonly cards: Pick<Slot['cards'], 'isOff' | 'asleep' | 'share'>;
};

interface ClearingWorld {
  readonly clock: Clock;
  readonly cards: CardReader;
  readonly policy: SupervisionPolicy;
  /** A process that we have launched. */
  readonly isOurs: (pid: number) => boolean;
  /** Nobody waits for it any more. */
  readonly isOver: () => boolean;
  /** How far it is, and what is free in bytes, where that is known. */
  readonly say: (message: string, freeBytes: number | null) => void;
}

const LOOK_MS = 100;
const MEMORY_LOOK_MS = 500;
/** Memory that nothing has become of for this long belongs to others: what has just been given back is free within a second or two. */
const STILL_MS = 5000;
/** Readings that differ by less are the same. */
const SAME_BYTES = 64 * 2 ** 20;

/**
 * Has the workers of a card make way, and waits until they have, and until their memory is free as far as it was theirs. Resolves with null,
 * or with why it could not be done, in words that follow a colon.
 */
export async function clearCard(uuid: string, slots: readonly CardUser[], world: ClearingWorld): Promise<string | null> {
  const { clock, isOver, say } = world;
  const before = await lookAt(uuid, world);
  if (isOver()) return null;
  const others = before === null ? 0 : othersBytes(before, uuid, slots);
  for (const slot of slots) slot.giveWay(uuid);
  const untilMs = clock.now() + leaveLimitMs(world.policy);
  for (let told = ''; ;) {
    const leaving = slots.filter((slot) => !slot.cards.isOff(uuid));
    if (leaving.length === 0 || isOver()) break;
    const states = leaving.map(({ id, state }) => `${id} is ${state}`).join(', ');
    if (clock.now() >= untilMs) return `its workers did not make way in time: ${states}`;
    if (states !== told) say(`${states}.`, null);
    told = states;
    await sleep(clock, LOOK_MS);
  }
  if (!isOver()) await awaitMemory(uuid, slots, others, world);
  return null;
}

/** Every wait of a worker that ends, one after the other, and some time to spare. */
function leaveLimitMs({ settleMs, stopGraceMs, groupGraceMs, sweepGraceMs }: SupervisionPolicy): number {
  return settleMs + 2 * stopGraceMs + 2 * groupGraceMs + sweepGraceMs + 10_000;
}

/** Bounded; whoever holds the rest is named, and has it. */
async function awaitMemory(uuid: string, slots: readonly CardUser[], others: number, world: ClearingWorld): Promise<void> {
  const { clock, policy, isOver, say } = world;
  const asleep = slots.reduce((count, slot) => count + slot.cards.asleep(uuid), 0);
  const mayStay = others + asleep * sleeperBytes() + IDLE_BYTES;
  const beganAtMs = clock.now();
  const words = slots.map((slot) => `${slot.id} ${offWords(slot, uuid)}`);
  const how = words.length === 0 ? '' : `${words.join(', ')}. `;
  let last = -1;
  let stillSinceMs = beganAtMs;
  for (;;) {
    const gpu = await lookAt(uuid, world);
    if (isOver()) return;
    if (gpu === null || gpu.memoryFreeBytes === null) {
      say(`${how}How much of its memory is free nobody can say.`, null);
      return;
    }
    const free = gpu.memoryFreeBytes;
    const used = cudaTotalBytes(gpu) - free;
    const nowMs = clock.now();
    if (Math.abs(free - last) > SAME_BYTES) [last, stillSinceMs] = [free, nowMs];
    const isDone = used <= mayStay || nowMs - stillSinceMs >= STILL_MS || nowMs - beganAtMs >= policy.vramPatienceMs;
    const amount = `${gib(free)} of ${gib(cudaTotalBytes(gpu))} GiB are free`;
    if (!isDone) {
      say(`${how}${amount}, more is given back.`, free);
      await sleep(clock, MEMORY_LOOK_MS);
      continue;
    }
    const rest = used > asleep * sleeperBytes() + IDLE_BYTES ? await strangersOn(uuid, world) : '';
    say(`${how}${amount}.${rest}`, free);
    return;
  }
}

/** What there is of a worker that is off the card. */
function offWords(slot: CardUser, uuid: string): string {
  if (slot.cards.asleep(uuid) > 0) return 'sleeps';
  return slot.isHeld ? 'is drained' : slot.state === 'failed' ? 'has failed' : 'is stopped';
}

/** Who else is on the card, as far as anybody can say. */
async function strangersOn(uuid: string, { cards, isOurs }: ClearingWorld): Promise<string> {
  const apps = ((await cards.apps?.()) ?? []).filter(({ gpuUuid, pid }) => gpuUuid === uuid && !isOurs(pid));
  return apps.length === 0 ? '' : ` The rest is held by ${apps.map(describeApp).join(', ')}.`;
}

async function lookAt(uuid: string, { cards, clock }: ClearingWorld): Promise<GpuReading | null> {
  return (await cards.read(clock.now())).find((gpu) => gpu.uuid === uuid) ?? null;
}

/** What of the used memory is no worker's of ours: those take what they insist on. */
function othersBytes(gpu: GpuReading, uuid: string, slots: readonly CardUser[]): number {
  if (gpu.memoryFreeBytes === null) return 0;
  const ours = slots.reduce((share, slot) => share + slot.cards.share(uuid), 0);
  return Math.max(0, cudaTotalBytes(gpu) * (1 - ours) - gpu.memoryFreeBytes);
}

function gib(bytes: number): string {
  return (bytes / 2 ** 30).toFixed(1);
}
