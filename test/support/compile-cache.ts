/**
 * For the environment of every process that a test starts: Node then reads what it has once stripped of its types and compiled.
 * Half the time of such a start goes there, and the tests start a thousand. Set in vitest.config.ts.
 */
export const COMPILE_CACHE: Readonly<Record<string, string>> = { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] ?? '' };
