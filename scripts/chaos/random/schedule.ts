import type { LineFault } from '../faults/fault-proxy.ts';
import type { WayName } from '../faults/ways.ts';
import { seeded } from '../../load/workload/seeded.ts';

/** What goes wrong for a while. `worker`: 0 the first, 1 the second. */
export type Trouble =
  | { readonly kind: 'way'; readonly worker: 0 | 1; readonly way: WayName; readonly share: number }
  | { readonly kind: 'line'; readonly fault: LineFault; readonly lateMs: number }
  | { readonly kind: 'down'; readonly worker: 0 | 1 }
  | { readonly kind: 'figures'; readonly worker: 0 | 1; readonly figures: 'silent' | 'nonsense' | 'full' }
  | { readonly kind: 'leave'; readonly calls: number; readonly withinMs: number }
  | { readonly kind: 'burst'; readonly calls: number }
  | { readonly kind: 'idle'; readonly clients: number }
  | { readonly kind: 'reload'; readonly windowMs: number; readonly maxQueue: number }
  | { readonly kind: 'bad-reload' }
  | { readonly kind: 'freeze' };

/** Times in milliseconds from the start of a schedule. */
export interface Planned {
  readonly atMs: number;
  readonly forMs: number;
  readonly trouble: Trouble;
}

/** Faults that overlap, all of them by one seed. */
export interface Schedule {
  readonly seed: number;
  readonly lengthMs: number;
  readonly everyMs: number;
  /** Lines of a batch; 0: none. */
  readonly lines: number;
  readonly troubles: readonly Planned[];
}

const MOST_TROUBLES = 5;
const LENGTH_MS = [250, 700] as const;

/** The schedule of a seed. `ways`: those in which a worker may fail. */
export function scheduleOf(seed: number, ways: readonly WayName[]): Schedule {
  const chance = seeded(seed);
  const below = (most: number): number => Math.floor(chance() * most);
  const from = <Item>(items: readonly Item[]): Item => items[below(items.length)]!;
  const lengthMs = LENGTH_MS[0] + below(LENGTH_MS[1] - LENGTH_MS[0]);
  const troubles = Array.from({ length: 1 + below(MOST_TROUBLES) }, (): Planned => {
    const atMs = below(lengthMs * 0.7);
    return { atMs, forMs: 30 + below(lengthMs - atMs), trouble: troubleOf(below, from, ways) };
  });
  const ordered = troubles.toSorted((x, y) => x.atMs - y.atMs);
  return { seed, lengthMs, everyMs: 5 + below(20), lines: chance() < 0.3 ? 2 + below(5) : 0, troubles: ordered };
}

function troubleOf(below: (most: number) => number, from: <Item>(items: readonly Item[]) => Item, ways: readonly WayName[]): Trouble {
  const worker = from([0, 1] as const);
  // Most troubles are those of workers: there are most ways of them.
  switch (
    from(['way', 'way', 'way', 'line', 'line', 'down', 'figures', 'leave', 'burst', 'idle', 'reload', 'bad-reload', 'freeze'] as const)
  ) {
    case 'way':
      return { kind: 'way', worker, way: from(ways), share: from([0.2, 0.5, 1]) };
    case 'line': {
      const fault = from(['blackhole', 'half-open', 'slow', 'slices', 'corrupt', 'cut', 'late', 'reset-new'] as const);
      return { kind: 'line', fault, lateMs: below(200) };
    }
    case 'down':
      return { kind: 'down', worker };
    case 'figures':
      return { kind: 'figures', worker, figures: from(['silent', 'nonsense', 'full'] as const) };
    case 'leave':
      return { kind: 'leave', calls: 5 + below(20), withinMs: 5 + below(100) };
    case 'burst':
      return { kind: 'burst', calls: 10 + below(60) };
    case 'idle':
      return { kind: 'idle', clients: 10 + below(50) };
    case 'reload':
      return { kind: 'reload', windowMs: from([0, 5, 30, 100]), maxQueue: from([0, 5, 60]) };
    case 'bad-reload':
      return { kind: 'bad-reload' };
    case 'freeze':
      return { kind: 'freeze' };
  }
}

/** A schedule in one line, for people. */
export function scheduleText({ troubles, lengthMs, lines }: Schedule): string {
  const each = troubles.map(({ atMs, forMs, trouble }) => {
    const { kind, ...rest } = trouble;
    return `${kind} ${Object.values(rest).join(' ')} at ${atMs} ms for ${forMs}`.replaceAll('  ', ' ');
  });
  return `${lengthMs} ms, ${lines} lines: ${each.join('; ')}`;
}
