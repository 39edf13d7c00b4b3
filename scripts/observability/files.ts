import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { dashboard } from './dashboard.ts';
import { GATEWAY_BOARD } from './gateway-board.ts';
import { pageOfMetrics, type Recorded } from './metrics-page.ts';
import { OPERATIONS_BOARD } from './operations-board.ts';
import { WORKERS_BOARD } from './workers-board.ts';

/** By the name of their file, without the end. */
export const BOARDS = {
  gateway: dashboard(GATEWAY_BOARD),
  'workers-and-gpus': dashboard(WORKERS_BOARD),
  operations: dashboard(OPERATIONS_BOARD),
} as const;

interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly { readonly record?: string; readonly expr: string }[] }[];
}

/** The page of every metric. `folder`: where the rules lie, whose recorded names stand on it too. */
export function metricsPage(folder: string): string {
  const files = readdirSync(folder).filter((name) => name.endsWith('.yml'));
  const groups = files.flatMap((name) => (parse(readFileSync(join(folder, name), 'utf8')) as RuleFile).groups);
  const recorded = groups.flatMap(({ rules }) =>
    rules.flatMap(({ record, expr }): Recorded[] => (record === undefined ? [] : [{ record, expr }])),
  );
  return pageOfMetrics(recorded);
}
