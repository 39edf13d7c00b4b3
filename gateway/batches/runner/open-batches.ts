import type { BatchFigures } from '../../core/events.ts';
import { processOf } from '../../state/store/process-life.ts';
import { Runner } from './runner.ts';
import type { RunnerParts, Standing } from './runner-parts.ts';

interface BatchesOptions extends Omit<RunnerParts, 'holder' | 'standingOf'> {
  /** This life of this process. */
  readonly holderId: string;
  /** Who has left something to be done; a text says why it is nobody any more. */
  readonly absent: (owner: string) => Extract<Standing, { kind: 'good' }>['principal'] | string;
}

/** Starts what runs the lines of batches. */
export function openBatches({ holderId, absent, ...parts }: BatchesOptions): Runner {
  const runner = new Runner({
    ...parts,
    holder: { id: holderId, process: processOf(process.pid) },
    standingOf(owner) {
      const who = absent(owner);
      if (typeof who === 'string') return { kind: 'none', reason: who };
      // Its lines wait here and not at the limits, where they would be in the way of others.
      return { kind: 'good', principal: who.kind === 'key' && who.patienceMs > 0 ? { ...who, patienceMs: 0 } : who };
    },
  });
  runner.start();
  return runner;
}

/** What there is to tell of batches. */
export function batchFigures({ rows, running }: Pick<Runner, 'rows' | 'running'>): BatchFigures {
  const batches = new Map<string, number>();
  const done = new Map<string, number>();
  let open = 0;
  for (const { id, status, total, completed, failed } of rows) {
    batches.set(status, (batches.get(status) ?? 0) + 1);
    open += total - completed - failed;
    if (status === 'in_progress' && total > 0) done.set(id, (completed + failed) / total);
  }
  return { batches, waiting: Math.max(0, open - running), running, done };
}
