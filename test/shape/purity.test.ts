import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { ROOMS } from './house.ts';

// Whether a model fits, what a log says and what a machine does next are computed: the same question has the same answer wherever and
// whenever it is asked. The linter sees what a pure room imports by itself; here it is followed to the end. What only types come from does
// not count.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BESIDE_ROOMS = ['supervisor/plan/engine-choice.ts', 'supervisor/engine/flags.ts', 'supervisor/profile/removed-flags.ts'];
const PURE = ROOMS.filter(({ pure }) => pure)
  .flatMap(({ path }) => readdirSync(join(ROOT, path)).map((file) => `${path}/${file}`))
  .concat(BESIDE_ROOMS);

test.each(PURE)('%s reaches no module of the system', (file) => {
  const outside = new Set<string>();
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [, target = ''] of readFileSync(path, 'utf8').matchAll(/^(?:import|export) (?!type )[^;]*? from '([^']+)';/gm)) {
      if (target.startsWith('.')) visit(resolve(dirname(path), target));
      else outside.add(target);
    }
  };
  visit(join(ROOT, file));
  expect([...outside].filter((name) => name !== 'zod')).toEqual([]);
});

test('there is something to hold to that', () => {
  expect(PURE.length).toBeGreaterThan(30);
});
