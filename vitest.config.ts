import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import LongestFirst from './test/support/longest-first.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Three, whatever the machine has: tests start processes of their own, and mostly wait for them. On two cores seven take 177 s instead
    // of 254, and a supervisor that has to wait for its turn is now and then taken for one that hangs.
    maxWorkers: 3,
    // Nothing here is mocked by module and nothing global is changed, so files can share a process: a third of the CPU time.
    isolate: false,
    sequence: { sequencer: LongestFirst },
    // Limits end what hangs; a machine with three times too much to do must not reach them.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Polls mostly wait for processes, which a busy machine keeps waiting.
    expect: { poll: { timeout: 60_000 } },
    // For the processes that tests start: see test/support/compile-cache.ts.
    env: { NODE_COMPILE_CACHE: fileURLToPath(new URL('node_modules/.cache/node-compile-cache', import.meta.url)) },
    reporters: ['default', './test/support/closing-line.ts'],
  },
});
