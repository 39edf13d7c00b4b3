import { join } from 'node:path';
import type { Clock, Timer } from '../../gateway/core/clock.ts';
import { repeat } from '../../gateway/core/clock.ts';
import { Lease } from '../../gateway/core/lease.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import type { LeaseView } from '../../gateway/link/snapshot.ts';
import type { CardReader, GpuReading } from '../gpu/gpu.ts';
import type { CardLease, LeaseBook } from '../lease/card-lease.ts';
import { ask, grant, heldUpMs, nextEndMs, NO_LEASES, overBy, resumed, without } from '../lease/card-lease.ts';
import type { LeaseAsked, LeaseResult } from '../lease/asked.ts';
import type { WishResult } from '../slot/wish-result.ts';
import { STOPPING } from '../slot/wish-result.ts';
import { instancePrefix } from '../system/instance-id.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import { instanceIdOf } from '../system/processes.ts';
import type { LentCards } from './lent-cards.ts';
import type { KeptLease } from './lease-file.ts';
import { readLeases, writeLeases } from './lease-file.ts';
import { clearCard } from './lease-clearing.ts';
import { Leases } from './lease-views.ts';
import type { Slot } from './slot.ts';

interface LeaseDeskOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: SupervisionPolicy;
  readonly cards: CardReader;
  /** Those that there are, as they were found at the start. */
  readonly gpus: readonly GpuReading[];
  readonly stateDir: string;
  /** After every change that no slot tells of. */
  readonly onChange: () => void;
}

/** How often it is written down what is left. */
const NOTE_MS = 15_000;

/** Cards lent to others: has their workers make way, keeps everybody off meanwhile, and lets them come back. */
export class LeaseDesk implements LentCards {
  readonly #options: LeaseDeskOptions;
  readonly #file: string;
  readonly #waiting = new Set<{ readonly gpuUuids: readonly string[]; readonly goOn: () => void }>();
  readonly #views: Leases;
  readonly #isOurs: (pid: number) => boolean;
  /** What an earlier supervisor has left: until the slots are there. */
  readonly #kept: readonly KeptLease[];
  #slots: readonly Slot[] = [];
  #book: LeaseBook = NO_LEASES;
  #timer: Timer | null = null;
  #notes: Timer | null = null;
  #closed = false;

  /** Whoever starts from now on waits for the leases that an earlier supervisor has left. */
  constructor(options: LeaseDeskOptions) {
    const { clock, log, gpus, stateDir } = options;
    this.#options = options;
    this.#file = join(stateDir, 'leases.json');
    this.#views = new Leases(options);
    const prefix = instancePrefix(stateDir);
    this.#isOurs = (pid) => instanceIdOf(pid)?.startsWith(prefix) === true;
    this.#kept = readLeases(this.#file);
    for (const kept of this.#kept) {
      if (!gpus.some(({ uuid }) => uuid === kept.gpuUuid)) continue;
      const lease = resumed(kept, kept, { nowMs: clock.now(), wallMs: clock.wall() });
      if (lease) this.#book = new Map([...this.#book, [lease.gpuUuid, lease]]);
      else log.info('gpu.lease', `${this.#views.nameOf(kept.gpuUuid)} is no longer lent to ${kept.holder}: the time is over.`);
    }
  }

  /** The model that a worker had when an earlier supervisor lent its card; null: it did not. */
  modelOf(worker: string): string | null {
    return this.#kept.find(({ models }) => models[worker] !== undefined)?.models[worker] ?? null;
  }

  /** The slots are there. What was taken over on a lent card makes way. */
  begin(slots: readonly Slot[]): void {
    this.#slots = slots;
    for (const lease of this.#book.values()) {
      this.#options.log.info('gpu.lease', `${this.#views.nameOf(lease.gpuUuid)} is still lent to ${lease.holder}.`);
      void this.#prepare(lease);
    }
    if (this.#kept.length > 0) this.#changed();
  }

  isFree(gpuUuids: readonly string[]): boolean {
    return this.#book.size === 0 || !gpuUuids.some((uuid) => this.#book.has(uuid));
  }

  whenFree(gpuUuids: readonly string[], goOn: () => void): Lease {
    const waiter = { gpuUuids, goOn };
    this.#waiting.add(waiter);
    return new Lease(() => this.#waiting.delete(waiter));
  }

  heldUpMs(gpuUuids: readonly string[]): number {
    return this.#book.size === 0 ? 0 : heldUpMs(this.#book, gpuUuids, this.#options.clock.now());
  }

  lentUntil(gpuUuids: readonly string[]): number | null {
    const leases = gpuUuids.flatMap((uuid) => this.#book.get(uuid) ?? []);
    return leases.length === 0 ? null : Math.max(...leases.map((lease) => this.#views.untilMs(lease)));
  }

  ask({ gpu, id, holder, isNamed, minutes, graceSeconds, lapseSeconds }: LeaseAsked): LeaseResult {
    const { clock, log } = this.#options;
    if (this.#closed) return STOPPING;
    const card = this.#views.find(gpu);
    if ('kind' in card) return card;
    const length = { lengthMs: minutes === null ? null : minutes * 60_000, graceMs: graceSeconds * 1000 };
    const wish = { id, gpuUuid: card.uuid, holder, isNamed, ...length, lapseMs: lapseSeconds === null ? null : lapseSeconds * 1000 };
    const answer = ask(this.#book, wish, clock.now());
    const name = this.#views.nameOf(card.uuid);
    if (answer.kind === 'gone') return { kind: 'unknown', reason: this.#views.whyGone(id) ?? `${name} is not lent by this lease.` };
    if (answer.kind === 'taken')
      return { kind: 'conflict', reason: `${name} ${this.#views.lentTo(answer.by)}; it is lent to one at a time.` };
    this.#book = answer.book;
    if (minutes === null) this.#arm();
    else {
      const how = answer.kind === 'new' ? 'is made ready for' : 'stays lent to';
      const rounded = Math.max(1, Math.round(minutes - graceSeconds / 60));
      const until = new Date(this.#views.untilMs(answer.lease)).toISOString();
      const { holder: by } = answer.lease;
      log.info('gpu.lease', `${name} ${how} ${by}, for ${rounded} min.`, { gpu: card.uuid, holder: by, until });
      if (answer.kind === 'new') void this.#prepare(answer.lease);
      this.#changed();
    }
    const lease = this.#book.get(card.uuid) ?? answer.lease;
    return { kind: 'accepted', will: this.#views.told(lease), lease: this.#views.view(lease, this.#workersOn(card.uuid)) };
  }

  /** The card comes back. `id`: only if it is lent by this lease; null: whoever has it. */
  giveBack(gpu: string | null, id: string | null): WishResult {
    if (this.#closed) return STOPPING;
    // The only one that is lent is meant where nobody says which.
    const only = gpu === null && this.#book.size === 1 ? [...this.#book.keys()][0]! : gpu;
    const card = this.#views.find(only);
    if ('kind' in card) return card;
    const lease = this.#book.get(card.uuid);
    const name = this.#views.nameOf(card.uuid);
    if (!lease) return { kind: 'conflict', reason: `${name} is not lent to anybody.` };
    if (id !== null && id !== lease.id) return { kind: 'conflict', reason: `${name} ${this.#views.lentTo(lease)}, by another lease.` };
    this.#end(lease, 'given_back', id === null ? 'an operator has taken it back' : 'its holder has given it back');
    return { kind: 'accepted', will: `${name} is given back; its workers wake or start again.` };
  }

  views(): readonly LeaseView[] {
    return this.#views.all([...this.#book.values()], (uuid) => this.#workersOn(uuid));
  }

  /** Nothing is waited for any more. What is lent stays on record, for the next supervisor. */
  close(): void {
    this.#note();
    this.#closed = true;
    this.#timer?.cancel();
    this.#notes?.cancel();
  }

  #workersOn(uuid: string): readonly Slot[] {
    return this.#slots.filter((slot) => slot.cards.isPossible(uuid));
  }

  async #prepare(lease: CardLease): Promise<void> {
    const { gpuUuid } = lease;
    const isOver = () => this.#closed || this.#book.get(gpuUuid)?.id !== lease.id;
    const say = (message: string, freeBytes: number | null) => {
      if (isOver()) return;
      this.#views.say(lease.id, message, freeBytes);
      this.#options.onChange();
    };
    const outcome = await clearCard(gpuUuid, this.#workersOn(gpuUuid), { ...this.#options, isOurs: this.#isOurs, isOver, say });
    if (isOver()) return;
    if (outcome !== null) return this.#end(lease, 'not_freed', outcome);
    if (lease.state === 'lent') return;
    this.#book = grant(this.#book, lease, this.#options.clock.now());
    const { holder } = lease;
    const message = `${this.#views.nameOf(gpuUuid)} is lent to ${holder}. ${this.#views.said(lease.id)}`;
    this.#options.log.info('gpu.lease', message, { gpu: gpuUuid, holder });
    this.#changed();
  }

  #end(lease: CardLease, over: NonNullable<LeaseView['over']>, why: string): void {
    const { gpuUuid, holder } = lease;
    this.#book = without(this.#book, gpuUuid);
    this.#views.ended(lease, over, why);
    this.#options.log.info('gpu.lease', `${this.#views.nameOf(gpuUuid)} is no longer lent to ${holder}: ${why}.`, {
      gpu: gpuUuid,
      holder,
      over,
    });
    for (const waiter of [...this.#waiting]) {
      if (!this.isFree(waiter.gpuUuids)) continue;
      this.#waiting.delete(waiter);
      waiter.goOn();
    }
    this.#changed();
  }

  #changed(): void {
    this.#arm();
    this.#note();
    this.#notes?.cancel();
    this.#notes = this.#book.size === 0 ? null : repeat(this.#options.clock, NOTE_MS, () => this.#note());
    this.#options.onChange();
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#timer?.cancel();
    const atMs = nextEndMs(this.#book);
    this.#timer = atMs === Infinity ? null : clock.after(Math.max(1, atMs - clock.now()), () => this.#look());
  }

  #look(): void {
    const nowMs = this.#options.clock.now();
    for (const lease of [...this.#book.values()]) {
      const over = overBy(lease, nowMs);
      if (over === 'time') this.#end(lease, over, 'the time is over');
      if (over === 'lapsed') this.#end(lease, over, `nothing was heard of it for ${Math.round((lease.lapseMs ?? 0) / 1000)} s`);
    }
    this.#arm();
  }

  #note(): void {
    if (this.#closed) return;
    const nowMs = this.#options.clock.now();
    const leases = [...this.#book.values()].map((lease): KeptLease => {
      const { id, gpuUuid, holder, isNamed, state, lengthMs, graceMs, lapseMs, endsAtMs } = lease;
      const models = Object.fromEntries(this.#workersOn(gpuUuid).map((slot) => [slot.id, slot.nextModel]));
      const left = { leftMs: Math.max(0, endsAtMs - nowMs), untilWallMs: this.#views.untilMs(lease) + graceMs };
      return { id, gpuUuid, holder, isNamed, state, lengthMs, graceMs, lapseMs, ...left, models };
    });
    try {
      writeLeases(this.#file, leases);
    } catch (error) {
      const message = `What cards are lent could not be written down: ${(error as Error).message}. A supervisor that starts now would not know of it.`;
      this.#options.log.warn('gpu.lease', message);
    }
  }
}
