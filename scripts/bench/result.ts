import type { Cores } from './cores.ts';

/** What one round has shown, by name; times are in microseconds unless the name says otherwise. */
export type Figures = Readonly<Record<string, number>>;

export interface Round {
  readonly figures: Figures;
  /** Calls that failed, by kind. */
  readonly errors: Readonly<Record<string, number>>;
}

export interface CaseResult {
  readonly name: string;
  /** By proxy. A proxy that could not take part has none. */
  readonly rounds: Readonly<Record<string, readonly Round[]>>;
}

export interface BenchResult {
  readonly version: string;
  readonly at: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly tools: 'C' | 'Node';
  readonly cores: Cores;
  readonly rounds: number;
  readonly seconds: number;
  readonly proxies: readonly {
    readonly name: string;
    readonly what: string;
    readonly version: string | null;
    /** From its start until it answered. */
    readonly startMs: number | null;
  }[];
  readonly cases: readonly CaseResult[];
  readonly notes: readonly string[];
}

/** One figure of all rounds. */
export function valuesOf(result: CaseResult, proxy: string, figure: string): number[] {
  return (result.rounds[proxy] ?? []).flatMap(({ figures }) => {
    const value = figures[figure];
    return value === undefined || !Number.isFinite(value) ? [] : [value];
  });
}
