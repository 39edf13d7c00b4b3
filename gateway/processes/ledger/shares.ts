interface Wanted {
  /** What calls that go first need, and what the others do. */
  readonly first: number;
  readonly rest: number;
  /** What it has now. */
  readonly held: number;
  /** When it was last given something: any number that grows. */
  readonly servedAt: number;
}

/**
 * How many of `total` each of several is to have: first what calls that go first need, then what the others need, each in equal parts up to
 * what is needed. Odd ones stay where they are; where that would leave somebody with none at all, they go to who was served longest ago,
 * so that nobody goes without for ever. Half of what nobody needs is handed out evenly, so that a call that comes finds it where it comes;
 * the other half goes to whoever asks. Pure.
 */
export function sharesOf(total: number, wanted: readonly Wanted[]): number[] {
  const shares = wanted.map(() => 0);
  let left = Math.max(0, total);
  left = fill(shares, left, wanted, ({ first }) => first);
  left = fill(shares, left, wanted, ({ first, rest }) => first + rest);
  const spare = Math.ceil(left / (2 * wanted.length));
  for (let i = 0; i < shares.length; i++) {
    const more = Math.min(spare, left);
    shares[i]! += more;
    left -= more;
  }
  return shares;
}

/** How much of what it needs, and is to have of it, each does not have yet. */
export function missingOf(wanted: readonly Wanted[], shares: readonly number[]): number[] {
  return wanted.map(({ first, rest, held }, i) => Math.max(0, Math.min(first + rest, shares[i]!) - held));
}

/** Raises the shares toward what is wanted. @returns what is left */
function fill(shares: number[], amount: number, all: readonly Wanted[], wantOf: (one: Wanted) => number): number {
  let left = amount;
  for (;;) {
    const short = all.flatMap((one, i) => (wantOf(one) > shares[i]! ? [i] : []));
    if (short.length === 0 || left <= 0) return left;
    const each = Math.floor(left / short.length);
    if (each === 0) {
      const goesWithout = short.some((i) => shares[i] === 0);
      const first = short.toSorted((a, b) => (goesWithout ? all[a]!.servedAt - all[b]!.servedAt : all[b]!.held - all[a]!.held));
      for (const i of first.slice(0, left)) shares[i]! += 1;
      return 0;
    }
    for (const i of short) {
      const more = Math.min(each, wantOf(all[i]!) - shares[i]!);
      shares[i]! += more;
      left -= more;
    }
  }
}
