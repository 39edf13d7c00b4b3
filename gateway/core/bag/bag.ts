/** What can be in one bag at a time. */
export interface Member {
  /** Its place, written by the bag; -1 in none. */
  slot: number;
}

/**
 * Things that come and go by the thousand in a second, in no order. A Set or Map that lives long leaves a table behind each time it has seen
 * enough of them: in the old generation, where it keeps what it last held alive through every collection of the young one. Here a place
 * that is left is used again, and nothing is left in it.
 */
export class Bag<T extends Member> {
  readonly #members: T[] = [];

  get size(): number {
    return this.#members.length;
  }

  /** The member must be in no bag. */
  add(member: T): void {
    member.slot = this.#members.length;
    this.#members.push(member);
  }

  /** Taking out what is not in it does nothing. */
  remove(member: T): void {
    const { slot } = member;
    if (this.#members[slot] !== member) return;
    member.slot = -1;
    const last = this.#members.pop()!;
    if (last === member) return;
    last.slot = slot;
    this.#members[slot] = last;
  }

  /** Those that were in it at the beginning, whatever comes or goes on the way. */
  [Symbol.iterator](): Iterator<T> {
    return this.#members.slice()[Symbol.iterator]();
  }
}
