import type { CardState } from './memory-failure.ts';
import type { Demand, Grant } from './memory-plan.ts';
import { cudaTotalMib, usedMib } from './vram-file.ts';
import type { VramFile, VramGpu } from './vram-file.ts';

/** The memory of the cards that an engine core runs on, one as full as the other. */
export interface Card {
  /** Makes the engine core hold this much on each card in all. Where that does not fit, it goes on holding what it held. */
  hold(gib: Demand['holdGib']): Promise<Grant>;
  look(): CardState;
  /** Writes down that the owner has ended, so that its memory begins to come back now and not only when somebody looks. */
  noteEnd(): Promise<void>;
}

/** Who holds the memory. */
interface CardOwner {
  readonly pid: number;
  readonly starttime: number | null;
  readonly title: string;
}

/** A card that nobody else uses. */
export class PrivateCard implements Card {
  readonly #totalGib: number;
  #ownGib = 0;

  constructor(totalGib: number) {
    this.#totalGib = totalGib;
  }

  hold(gib: number): Promise<Grant> {
    const granted = gib <= this.#totalGib;
    if (granted) this.#ownGib = gib;
    return Promise.resolve({ granted, ...this.#state() });
  }

  look(): CardState {
    return this.#state();
  }

  noteEnd(): Promise<void> {
    return Promise.resolve();
  }

  #state(): CardState {
    return { totalGib: this.#totalGib, freeGib: this.#totalGib - this.#ownGib, ownGib: this.#ownGib, others: [] };
  }
}

/** Cards whose memory is kept in a file, for all processes to see. The memory belongs to the engine core, though its parent writes the file. */
export class SharedCard implements Card {
  readonly #file: VramFile;
  readonly #uuids: readonly string[];
  readonly #owner: CardOwner;
  readonly #releaseMs: number;

  /** `releaseMs`: how long the memory stays taken after the owner's end. */
  constructor(file: VramFile, uuids: readonly string[], owner: CardOwner, releaseMs: number) {
    this.#file = file;
    this.#uuids = uuids;
    this.#owner = owner;
    this.#releaseMs = releaseMs;
  }

  hold(gib: number): Promise<Grant> {
    return this.#file.update((vram) => {
      const gpus = this.#mine(vram.gpus);
      // Written with two places, so that a person can read it.
      const mib = Math.round(gib * 102_400) / 100;
      const granted = gpus.every((gpu) => usedMib(gpu) - this.#ownMib(gpu) + mib <= cudaTotalMib(gpu) + 0.01);
      if (granted) for (const gpu of gpus) this.#write(gpu, mib);
      return { granted, ...this.#stateOf(gpus) };
    });
  }

  look(): CardState {
    return this.#stateOf(this.#mine(this.#file.peek().gpus));
  }

  async noteEnd(): Promise<void> {
    await this.#file.read();
  }

  #mine(gpus: readonly VramGpu[]): VramGpu[] {
    return gpus.filter((gpu) => this.#uuids.includes(gpu.uuid));
  }

  #isMine(holder: { readonly pid: number | null; readonly starttime: number | null }): boolean {
    return holder.pid === this.#owner.pid && holder.starttime === this.#owner.starttime;
  }

  #ownMib(gpu: VramGpu): number {
    return gpu.holders.find((holder) => this.#isMine(holder))?.mib ?? 0;
  }

  #write(gpu: VramGpu, mib: number): void {
    const entry = gpu.holders.find((holder) => this.#isMine(holder));
    if (entry !== undefined) entry.mib = mib;
    else gpu.holders.push({ ...this.#owner, mib, release_ms: this.#releaseMs, ended_at_ms: null });
  }

  /** How the fullest of the cards stands. */
  #stateOf(gpus: readonly VramGpu[]): CardState {
    const states = gpus.map((gpu): CardState => {
      const others = gpu.holders.filter((holder) => !this.#isMine(holder)).map(({ pid, mib }) => ({ pid, gib: mib / 1024 }));
      const freeGib = (cudaTotalMib(gpu) - usedMib(gpu)) / 1024;
      return { totalGib: cudaTotalMib(gpu) / 1024, freeGib, ownGib: this.#ownMib(gpu) / 1024, others };
    });
    return states.reduce((fullest, state) => (state.freeGib < fullest.freeGib ? state : fullest));
  }
}
