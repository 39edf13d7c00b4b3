import type { FailureRow } from './row.ts';
import { DEATH_ROWS } from './rows-death.ts';
import { MEMORY_ROWS } from './rows-memory.ts';
import { SETUP_ROWS } from './rows-setup.ts';

/** Everything that vLLM is known to say when it dies. Data: a new kind of failure is a new row, with a line of log in its test. */
export const FAILURE_ROWS: readonly FailureRow[] = [...MEMORY_ROWS, ...SETUP_ROWS, ...DEATH_ROWS];
