import type { Queue, QueueAddOptions } from 'p-queue';

/** What `PQueue.add` is given for a call that waits. */
export interface LineOptions extends QueueAddOptions {
  /** Whose it is: a key, an address; '': nobody's in particular. */
  readonly flow?: string;
}

type Run = () => Promise<unknown>;

interface Item {
  readonly id: string | undefined;
  readonly run: Run;
}

/** So many of a higher class go in a row while one of a lower waits; the next is that one's. */
const IN_A_ROW = 8;

/** Those of one priority. Flows take turns, each with its calls in the order of their coming. */
class Rank {
  /** Whose turn is next first. */
  readonly #flows = new Map<string, Item[]>();
  size = 0;

  add(flow: string, item: Item): void {
    const items = this.#flows.get(flow);
    if (items) items.push(item);
    else this.#flows.set(flow, [item]);
    this.size++;
  }

  take(): Run {
    const [flow, items] = this.#flows.entries().next().value!;
    const item = items.shift()!;
    this.#flows.delete(flow);
    if (items.length > 0) this.#flows.set(flow, items);
    this.size--;
    return item.run;
  }

  remove(id: string): boolean {
    for (const [flow, items] of this.#flows) {
      const at = items.findIndex((item) => item.id === id);
      if (at < 0) continue;
      items.splice(at, 1);
      if (items.length === 0) this.#flows.delete(flow);
      this.size--;
      return true;
    }
    return false;
  }

  *runs(): Generator<Run> {
    for (const items of this.#flows.values()) for (const { run } of items) yield run;
  }
}

/**
 * The order of a line, for p-queue. The higher priority goes first; within one, keys take turns, so that one with five hundred calls holds
 * another's next call up by one. Priorities 2n and 2n+1 are one class: while a lower class waits, every ninth turn is its.
 */
export class FairLine implements Queue<Run, LineOptions> {
  /** By priority, the highest first. */
  readonly #ranks = new Map<number, Rank>();
  #inARow = 0;

  get size(): number {
    let size = 0;
    for (const rank of this.#ranks.values()) size += rank.size;
    return size;
  }

  enqueue(run: Run, { priority = 0, id, flow = '' }: Partial<LineOptions> = {}): void {
    let rank = this.#ranks.get(priority);
    if (rank === undefined) {
      rank = new Rank();
      const all = [...this.#ranks, [priority, rank] as const].toSorted(([a], [b]) => b - a);
      this.#ranks.clear();
      for (const [of, each] of all) this.#ranks.set(of, each);
    }
    rank.add(flow, { id, run });
  }

  dequeue(): Run | undefined {
    let first: Rank | null = null;
    let firstClass = 0;
    let later: Rank | null = null;
    for (const [priority, rank] of this.#ranks) {
      if (rank.size === 0) continue;
      if (first === null) [first, firstClass] = [rank, classOf(priority)];
      else if (classOf(priority) < firstClass) {
        later = rank;
        break;
      }
    }
    if (later === null) {
      this.#inARow = 0;
      return first?.take();
    }
    if (this.#inARow++ < IN_A_ROW) return first!.take();
    this.#inARow = 0;
    return later.take();
  }

  filter({ priority }: Readonly<Partial<LineOptions>>): Run[] {
    return [...(this.#ranks.get(priority ?? 0)?.runs() ?? [])];
  }

  remove(id: string): void {
    for (const rank of this.#ranks.values()) if (rank.remove(id)) return;
  }

  setPriority(): never {
    throw new Error('whoever waits keeps its priority');
  }
}

function classOf(priority: number): number {
  return Math.floor(priority / 2);
}
