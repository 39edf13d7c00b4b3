import { posix } from 'node:path';
import { defineConfig, type OxlintOverride } from 'oxlint';
import { type Room, ROOMS } from './test/shape/house.ts';

const CLOCK = 'Time comes in through core/clock.ts.';

export default defineConfig({
  plugins: ['typescript', 'import', 'unicorn', 'promise', 'oxc'],
  categories: { correctness: 'error' },
  options: { typeAware: true },
  ignorePatterns: ['dist', 'node_modules'],
  rules: {
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'typescript/no-floating-promises': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/unbound-method': 'off',
    'typescript/no-misused-spread': 'off',
    'typescript/restrict-template-expressions': 'off',
    'typescript/no-base-to-string': 'off',
    'typescript/require-array-sort-compare': 'off',
    'unicorn/no-useless-spread': 'off',
    'unicorn/no-thenable': 'off',
    'unicorn/no-new-array': 'off',
    'promise/no-callback-in-promise': 'off',
    'no-restricted-globals': ['error', { name: 'setTimeout', message: CLOCK }, { name: 'setInterval', message: CLOCK }],
    'no-restricted-properties': [
      'error',
      { object: 'Date', property: 'now', message: CLOCK },
      { object: 'performance', property: 'now', message: CLOCK },
      { object: 'Math', property: 'random', message: 'Chance comes in through core/random.ts.' },
      { object: 'process', property: 'env', message: 'The environment is read in gateway/config.' },
    ],
  },
  overrides: [
    ...ROOMS.map(roomRules),
    {
      files: [
        'gateway/core/clock.ts',
        'gateway/core/random.ts',
        'gateway/console/client/**',
        'supervisor/sim/**',
        'scripts/*.ts',
        'scripts/abtest/**',
        'scripts/bench/**',
        'scripts/chaos/**',
        'scripts/load/**',
        'scripts/release-gate/**',
        'scripts/report/**',
        'scripts/shows/**',
        'scripts/tune/**',
        'scripts/vllm/*.ts',
        'test/**',
      ],
      rules: { 'no-restricted-globals': 'off', 'no-restricted-properties': 'off' },
    },
    { files: ['gateway/config/system.ts', 'scripts/commands/**'], rules: { 'no-restricted-properties': 'off' } },
    { files: ['test/**'], rules: { 'typescript/no-unsafe-type-assertion': 'off' } },
  ],
});

/** What the files of a room must not import: rooms that it does not know, tests, and whatever reaches the outside where it is pure. */
function roomRules({ path, knows, pure, shuns = [] }: Room): OxlintOverride {
  const isFile = path.endsWith('.ts');
  const folder = isFile ? posix.dirname(path) : path;
  const unknown = ROOMS.filter((other) => other.path !== path && !knows.includes(other.path)).map((other) => specifier(folder, other.path));
  // A file that is a room by itself may be known to those who do not know the folder that it lies in.
  const known = knows.filter((other) => other.endsWith('.ts')).map((other) => `!${specifier(folder, other)}`);
  const patterns = [
    { group: [...unknown, ...known], message: `${path} does not know that room: see test/shape/house.ts.` },
    { group: [`${posix.relative(folder, 'test')}/**`], message: 'Nothing imports tests.' },
    ...(pure ? [{ group: ['node:*', 'execa', 'undici'], message: `${path} decides; others act.` }] : []),
    ...(shuns.length > 0 ? [{ group: [...shuns], message: `${path} knows no HTTP server and no client.` }] : []),
  ];
  return { files: [isFile ? path : `${path}/*.ts`], rules: { 'no-restricted-imports': ['error', { patterns }] } };
}

/** How a file in `folder` would write an import from that room. */
function specifier(folder: string, room: string): string {
  const relative = posix.relative(folder, room) || '.';
  const path = relative.startsWith('.') ? relative : `./${relative}`;
  return room.endsWith('.ts') ? path : `${path}/*`;
}
