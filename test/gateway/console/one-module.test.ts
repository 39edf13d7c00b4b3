import { expect, test } from 'vitest';
import { asOneModule } from '../../../gateway/console/one-module.ts';

const run = async (text: string) => (await import(`data:text/javascript,${encodeURIComponent(text)}`)) as unknown;

test('modules that import each other run as one, each once and with names of its own', async () => {
  const texts = new Map([
    [
      'main.js',
      `import { sep } from 'node:path';\nimport * as b from './b.js';\nimport { twice as two } from './in/c.js';\nglobalThis.told = [b.NAME, two(b.count()), sep, b.count()];\n`,
    ],
    [
      'b.js',
      `import { twice } from './in/c.js';\nexport const NAME = 'b';\nlet own = 0;\nexport function count() {\nreturn twice(++own);\n}\n`,
    ],
    [
      'in/c.js',
      `import { join, sep } from 'node:path';\nconst NAME = join('c', '..');\nexport function twice(n) {\nreturn NAME === '.' && sep ? 2 * n : n;\n}\n`,
    ],
  ]);
  const one = asOneModule(texts, 'main.js');
  expect(one.match(/^import .*$/gm)).toEqual(["import {sep,join} from 'node:path';"]);
  await run(one);
  expect((globalThis as unknown as { told: unknown }).told).toEqual(['b', 4, (await import('node:path')).sep, 4]);
});

test('what is written otherwise is named, and not sent half', () => {
  expect(() => asOneModule(new Map([['a.js', `export default 1;\n`]]), 'a.js')).toThrow('a.js imports or exports in a way');
  expect(() => asOneModule(new Map([['a.js', `import './b.js';\n`]]), 'a.js')).toThrow('a.js imports or exports in a way');
  expect(() => asOneModule(new Map([['a.js', `import { x } from './b.js';\n`]]), 'a.js')).toThrow('no module b.js');
});
