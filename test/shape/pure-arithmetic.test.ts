import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

// Whether a model fits is computed, never looked up: the same question has the same answer wherever and whenever it is asked. What only
// types come from does not count.

const SUPERVISOR = fileURLToPath(new URL('../../supervisor', import.meta.url));
const PURE = readdirSync(SUPERVISOR).filter((file) =>
  /^(?:fit|engine-(?:choice|flags|settings)|gpu-(?:mode|memory|driver)|removed-flags)\b/.test(file),
);

test.each(PURE)('%s reaches no module of the system', (file) => {
  expect(PURE.length).toBeGreaterThan(10);
  const seen = new Set<string>();
  const outside = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const [, target = ''] of readFileSync(path, 'utf8').matchAll(/^(?:import|export) (?!type )[^;]*? from '([^']+)';/gm)) {
      if (target.startsWith('.')) visit(resolve(dirname(path), target));
      else outside.add(target);
    }
  };
  visit(join(SUPERVISOR, file));
  expect([...outside].filter((name) => name !== 'zod')).toEqual([]);
});
