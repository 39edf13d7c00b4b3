import { isOpen, type OpenCases, readOpen, sideOf, writeOpen } from './open.ts';
import { reasonOf } from './meant.ts';
import type { SceneRun } from './run-scene.ts';
import type { Scene } from './scene.ts';
import { differenceTable } from './table.ts';

interface ReportOptions {
  readonly verbose: boolean;
  /** The list of what is open becomes what was found. */
  readonly update: boolean;
  /** Who was asked all cases of the scene: what is listed as open there and does not differ is closed. */
  readonly whole: readonly (keyof OpenCases)[];
}

/** Says what was found. @returns how many cases failed */
export function report(scene: Scene, run: SceneRun, { verbose, update, whole }: ReportOptions, say: (line: string) => void): number {
  const meant = run.found.filter((found) => reasonOf(found) !== null);
  const rest = run.found.filter((found) => reasonOf(found) === null);
  const differing = (side: keyof OpenCases): string[] => [
    ...new Set(rest.filter((found) => sideOf(found) === side).map((found) => found.case)),
  ];
  if (update) {
    const before = readOpen(scene.name);
    const list = (side: keyof OpenCases) => (whole.includes(side) ? differing(side) : before[side]);
    writeOpen(scene.name, { simulation: list('simulation'), gateway: list('gateway') });
  }
  const open = readOpen(scene.name);
  const known = rest.filter((found) => isOpen(open, found));
  const fresh = rest.filter((found) => !known.includes(found));
  const closed = whole.flatMap((side) => open[side].filter((name) => !differing(side).includes(name)));
  if (meant.length > 0) say(`\nMeant:\n${meantTable(meant)}`);
  if (known.length > 0) say(`\nStill open (test/vllm/open.json):\n${differenceTable(known, verbose)}`);
  if (fresh.length > 0) say(`\nNOT AS IT SHOULD BE:\n${differenceTable(fresh, verbose)}`);
  if (closed.length > 0) say(`\nNo longer open, so not to be in test/vllm/open.json (--record writes it anew): ${closed.join(', ')}`);
  const failed = new Set([...fresh.map((found) => found.case), ...closed]).size;
  say(
    `\n${scene.name}: ${new Set(known.map((found) => found.case)).size} open, ${new Set(meant.map((found) => found.case)).size} with differences that are meant`,
  );
  say(`${run.asked - failed} passed, ${failed} failed`);
  return failed;
}

function meantTable(found: SceneRun['found']): string {
  const groups = Map.groupBy(found, (one) => reasonOf(one) ?? '');
  return [...groups]
    .map(([reason, members]) => `${String(new Set(members.map((one) => one.case)).size).padStart(4)}  ${reason}`)
    .join('\n');
}
