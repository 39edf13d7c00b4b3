import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { SceneName } from './case.ts';
import type { Found } from './compare.ts';

/**
 * Cases in which the simulation, or the gateway, is known not to be as it should, yet. The lists may only get shorter: a case that differs
 * and is not in them fails, and so does one that is in them and does not differ.
 */
export type Open = Readonly<Partial<Record<SceneName, OpenCases>>>;

export interface OpenCases {
  readonly simulation: readonly string[];
  readonly gateway: readonly string[];
}

const FILE = new URL('open.json', import.meta.url);
const NONE: OpenCases = { simulation: [], gateway: [] };

export function readOpen(scene: SceneName): OpenCases {
  return all()[scene] ?? NONE;
}

export function writeOpen(scene: SceneName, cases: OpenCases): void {
  writeFileSync(FILE, `${JSON.stringify({ ...all(), [scene]: cases }, null, 2)}\n`);
}

/** Whether it is a difference that is known of. */
export function isOpen(open: OpenCases, found: Found): boolean {
  return open[sideOf(found)].includes(found.case);
}

/** Whose fault it is: what differs behind the gateway in the simulation differs in front of it as well. */
export function sideOf({ pair }: Found): keyof OpenCases {
  return pair === 'gateway' ? 'gateway' : 'simulation';
}

function all(): Open {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as Open) : {};
}
