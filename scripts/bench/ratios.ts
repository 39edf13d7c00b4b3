import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { ratioOf } from './report.ts';
import { FLOOR, GATEWAY } from './proxies/proxies.ts';
import type { BenchResult } from './result.ts';

/** What the gateway cost beside the bare relay when that was last written down: a release compares with it. */
export interface RecordedRatios {
  /** When, and with what; null while nothing has been recorded. */
  readonly recorded: { readonly date: string; readonly version: string; readonly node: string; readonly cpu: string } | null;
  /** CPU time of a case, gateway ÷ bare relay, by the name of the case. */
  readonly ratios: Readonly<Record<string, number>>;
}

export interface Comparison {
  readonly lines: readonly string[];
  /** Something grew, or nothing could be compared at all. */
  readonly hasFailed: boolean;
}

/** None where there is no such file. @throws where it is something else */
export function readRatios(file: string): RecordedRatios {
  if (!existsSync(file)) return { recorded: null, ratios: {} };
  const { recorded = null, ratios } = JSON.parse(readFileSync(file, 'utf8')) as Partial<RecordedRatios>;
  if (ratios === undefined) throw new Error(`${file} holds no ratios`);
  return { recorded, ratios };
}

/** Those of a run that could be told; a case that was too noisy keeps what was recorded before, and so does one that was not run. */
export function toRecord(result: BenchResult, before: RecordedRatios): RecordedRatios {
  const told = result.cases.flatMap((of): [string, number][] => {
    const ratio = ratioOf(of, GATEWAY, FLOOR);
    return ratio.kind === 'ratio' ? [[of.name, Number(ratio.value.toFixed(3))]] : [];
  });
  if (told.length === 0) return before;
  const { machine, version, at } = result;
  return {
    recorded: { date: at.slice(0, 10), version, node: String(machine['node']), cpu: String(machine['cpu']) },
    ratios: { ...before.ratios, ...Object.fromEntries(told) },
  };
}

export function writeRatios(file: string, ratios: RecordedRatios): void {
  writeFileSync(file, `${JSON.stringify(ratios, null, 2)}\n`);
}

/** Says of each case whether its ratio to the bare relay has grown by more than the share `growth`. */
export function compareRatios(result: BenchResult, { recorded, ratios }: RecordedRatios, growth: number): Comparison {
  if (recorded === null) return { lines: ['Nothing has been recorded yet: --record writes the ratios down.'], hasFailed: true };
  let compared = 0;
  let grown = 0;
  const lines = result.cases.flatMap((of) => {
    const ratio = ratioOf(of, GATEWAY, FLOOR);
    const before = ratios[of.name];
    if (ratio.kind === 'noisy')
      return [`${of.name}: too noisy to compare, the ratios of its rounds differ by ${Math.round(ratio.spread * 100)} %`];
    if (ratio.kind === 'none') return [];
    if (before === undefined) return [`${of.name}: ${ratio.value.toFixed(2)}, and nothing recorded to compare it with`];
    compared++;
    const change = ratio.value / before - 1;
    const text = `${of.name}: ${ratio.value.toFixed(2)} beside ${before.toFixed(2)} (${change >= 0 ? '+' : ''}${Math.round(change * 100)} %)`;
    if (change <= growth) return [text];
    grown++;
    return [`${text}: GREW by more than ${Math.round(growth * 100)} %`];
  });
  const since = `Ratios to the bare relay beside those of ${recorded.date} (${recorded.version}, Node ${recorded.node}):`;
  const end = compared === 0 ? 'nothing could be compared' : grown === 0 ? 'none has grown' : `${grown} of ${compared} have grown`;
  return { lines: [since, ...lines, `${end}.`], hasFailed: grown > 0 || compared === 0 };
}
