import type { Clock } from '../../gateway/core/clock.ts';
import type { LeaseView } from '../../gateway/link/snapshot.ts';
import type { GpuReading } from '../gpu/gpu.ts';
import { type CardLease, promisedLeftMs } from '../lease/card-lease.ts';
import type { WishResult } from '../slot/wish-result.ts';

interface Ended {
  readonly view: LeaseView;
  readonly atMs: number;
}

/** For how long it is told how a lease has ended: whoever holds it asks more often. */
const REMEMBERED_MS = 120_000;
/** As many as are remembered. */
const MOST_ENDED = 16;
/** The wall clock is set anew by steps; its drift is less. */
const STEP_MS = 2000;

/** What is said of leases: to the gateway, and to whoever asks for one. */
export class Leases {
  readonly #clock: Clock;
  readonly #gpus: readonly GpuReading[];
  readonly #said = new Map<string, { readonly message: string; readonly freeBytes: number | null }>();
  readonly #until = new Map<string, number>();
  #ended: readonly Ended[] = [];

  constructor({ clock, gpus }: { readonly clock: Clock; readonly gpus: readonly GpuReading[] }) {
    this.#clock = clock;
    this.#gpus = gpus;
  }

  /** The card that is meant, or why none is. */
  find(gpu: string | null): GpuReading | Exclude<WishResult, { readonly kind: 'accepted' }> {
    if (this.#gpus.length === 0) return { kind: 'conflict', reason: 'There is no GPU here that could be lent.' };
    const cards = this.#gpus.map((card) => `${card.index} (${card.name})`).join(', ');
    if (gpu === null && this.#gpus.length > 1) return { kind: 'conflict', reason: `Say which GPU is meant; there are ${cards}.` };
    const found = this.#gpus.filter((card) => gpu === null || String(card.index) === gpu || card.uuid.startsWith(gpu));
    // Parts of one card have its index, and an id each.
    if (found.length > 1) return { kind: 'conflict', reason: `GPU ${gpu} is several: ${found.map(({ uuid }) => uuid).join(', ')}.` };
    return found[0] ?? { kind: 'unknown', reason: `There is no GPU ${gpu}; there are ${cards}.` };
  }

  /** Such as `GPU 0 (NVIDIA GeForce RTX 3060)`. */
  nameOf(uuid: string): string {
    const gpu = this.#gpus.find((card) => card.uuid === uuid);
    return gpu ? `GPU ${gpu.index} (${gpu.name})` : `GPU ${uuid}`;
  }

  /** Until when its holder was promised it, by the wall clock: the same moment each time, unless that clock was set anew. */
  untilMs(lease: CardLease): number {
    const { id } = lease;
    const untilMs = Math.round(this.#clock.wall() + promisedLeftMs(lease, this.#clock.now()));
    const told = this.#until.get(id);
    if (told !== undefined && Math.abs(untilMs - told) <= STEP_MS) return told;
    this.#until.set(id, untilMs);
    return untilMs;
  }

  lentTo(lease: CardLease): string {
    const until = new Date(this.untilMs(lease)).toISOString();
    return lease.state === 'lent'
      ? `is lent to ${lease.holder} until ${until}`
      : `is made ready for ${lease.holder}, until ${until} at the least`;
  }

  told(lease: CardLease): string {
    return `${this.nameOf(lease.gpuUuid)} ${this.lentTo(lease)}.`;
  }

  say(id: string, message: string, freeBytes: number | null): void {
    this.#said.set(id, { message, freeBytes });
  }

  said(id: string): string {
    return this.#said.get(id)?.message ?? '';
  }

  view(lease: CardLease, workers: readonly { readonly id: string }[]): LeaseView {
    const { id, gpuUuid, holder, state } = lease;
    const leftMs = Math.max(0, promisedLeftMs(lease, this.#clock.now()));
    return {
      ...{ id, holder, state, gpu: gpuUuid, over: null },
      index: this.#gpus.find(({ uuid }) => uuid === gpuUuid)?.index ?? 0,
      untilMs: this.untilMs(lease),
      leftSeconds: Math.ceil(leftMs / 1000),
      workers: workers.map((worker) => worker.id),
      message: this.said(id),
      freeBytes: this.#said.get(id)?.freeBytes ?? null,
    };
  }

  ended(lease: CardLease, over: NonNullable<LeaseView['over']>, why: string): void {
    const view: LeaseView = { ...this.view(lease, []), state: 'over', over, leftSeconds: 0, message: `${why}.` };
    this.#ended = [...this.#ended, { view, atMs: this.#clock.now() }].slice(-MOST_ENDED);
    this.#said.delete(lease.id);
    this.#until.delete(lease.id);
  }

  whyGone(id: string): string | null {
    const view = this.#ended.find((one) => one.view.id === id)?.view;
    return view ? `${this.nameOf(view.gpu)} is no longer lent: ${view.message}` : null;
  }

  /** Those that hold, and how the last ones have ended. */
  all(leases: readonly CardLease[], workersOn: (uuid: string) => readonly { readonly id: string }[]): readonly LeaseView[] {
    const since = this.#clock.now() - REMEMBERED_MS;
    this.#ended = this.#ended.filter(({ atMs }) => atMs > since);
    return [...leases.map((lease) => this.view(lease, workersOn(lease.gpuUuid))), ...this.#ended.map(({ view }) => view)];
  }
}
