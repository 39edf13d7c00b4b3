import { say } from '../scene.ts';
import { ARMS, type Arm } from './arms.ts';
import { type Figures, figuresOf, type Ratio, ratioOf } from './figures.ts';
import { type Load, LOADS } from './loads.ts';
import { ratioText, tableOf } from './table.ts';
import { type House, HOUSES, runVirtually } from './virtual-run.ts';

/** What chance alone may make of two arms that are as good. */
const NOISE = 1.03;

/** Every load under every arm with the same seeds. @returns whether the tree has kept its promises */
export function showVirtually(seeds: number, only: string | undefined): boolean {
  const loads = LOADS.filter(({ name }) => only === undefined || name === only);
  if (loads.length === 0) throw new Error(`no load is called ${only}; there are ${LOADS.map(({ name }) => name).join(', ')}`);
  const kept = loads.map((load) => showLoad(load, seeds));
  return kept.every(Boolean);
}

function showLoad(load: Load, seeds: number): boolean {
  say(`${load.name}: ${load.idea}; ${load.workers} × ${load.model} on ${load.gpu}`);
  const arms = new Map(ARMS.map((arm) => [arm, runsOf(load, arm, seeds, 'one')]));
  for (const line of tableOf(arms)) say(line);
  const against = (arm: Arm, to: Arm): Ratio => ratioOf(means(arms.get(arm)!), means(arms.get(to)!), seeds);
  const [p2c, hash] = [against('tree', 'p2c'), against('tree', 'hash')];
  say(`  mean TTFT, tree against p2c: ${ratioText(p2c)}; against hash: ${ratioText(hash)}`);
  say(`  what knowing the caches exactly would bring, oracle against tree: ${ratioText(against('oracle', 'tree'))}`);
  if (load.name === 'agents') showHouses(load, seeds, arms.get('p2c')!);
  return p2c.low <= NOISE && p2c.ratio <= NOISE && hash.ratio <= NOISE;
}

function showHouses(load: Load, seeds: number, p2c: readonly Figures[]): void {
  say('  the same with each call at any of two');
  const arms: [string, readonly Figures[]][] = HOUSES.slice(1).map((house) => [`tree, ${house}`, runsOf(load, 'tree', seeds, house)]);
  arms.push(['hash, two gateways', runsOf(load, 'hash', seeds, 'two gateways')]);
  for (const line of tableOf(new Map(arms))) say(line);
  for (const [name, runs] of arms) say(`  mean TTFT, ${name}, against p2c: ${ratioText(ratioOf(means(runs), means(p2c), seeds))}`);
}

function runsOf(load: Load, arm: Arm, seeds: number, house: House): Figures[] {
  return Array.from({ length: seeds }, (_, at) => figuresOf(runVirtually(load, arm, at + 1, house)));
}

function means(runs: readonly Figures[]): number[] {
  return runs.map(({ ttftMean }) => ttftMean);
}
