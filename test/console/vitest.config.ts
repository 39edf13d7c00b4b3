import { defineConfig } from 'vitest/config';

/** The console in a real browser: `npm run test:console`. */
export default defineConfig({
  test: {
    include: ['test/console/*.spec.ts'],
    maxWorkers: 1,
    testTimeout: 90_000,
    hookTimeout: 90_000,
    expect: { poll: { timeout: 30_000 } },
  },
});
