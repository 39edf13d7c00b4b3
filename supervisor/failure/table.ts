import type { FailureRow } from './row.ts';
import { DEATH_ROWS } from './rows-death.ts';
import { MEMORY_ROWS } from './rows-memory.ts';
import { MODEL_ROWS } from './rows-model.ts';
import { SETUP_ROWS } from './rows-setup.ts';

/** Classes of failures that no line of a log names: they are noticed from outside (failure.ts), or told by how an engine ended (explain.ts). */
const UNLOGGED = ['warm-up', 'unresponsive', 'stalled', 'sleep-failed', 'wake-failed', 'spawn', 'killed', 'stopped', 'unknown'] as const;

type Row = (typeof MEMORY_ROWS | typeof MODEL_ROWS | typeof SETUP_ROWS | typeof DEATH_ROWS)[number];

/** Everything that a failure can be. A name for metrics and for deciding what to do: a new row of the table brings its own. */
export type FailureClass = Row['class'] | (typeof UNLOGGED)[number];

/** Everything that vLLM is known to say when it dies. Data: a new kind of failure is a new row, with a line of log in its test. */
export const FAILURE_ROWS: readonly FailureRow<Row['class']>[] = [...MEMORY_ROWS, ...MODEL_ROWS, ...SETUP_ROWS, ...DEATH_ROWS];

export const FAILURE_CLASSES: readonly FailureClass[] = [...new Set(FAILURE_ROWS.map((row) => row.class)), ...UNLOGGED];
