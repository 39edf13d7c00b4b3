import type { Clock } from '../../gateway/core/clock.ts';
import type { Lease } from '../../gateway/core/lease.ts';
import type { Random } from '../../gateway/core/random.ts';
import type { Failure } from '../failure/failure.ts';
import type { Setup } from '../ladder/step.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import type { LogFiles } from '../system/log-file.ts';
import type { SupervisionPolicy } from '../system/policy.ts';
import type { PortPool } from '../system/ports.ts';
import type { StartHistory } from './start-history.ts';

/** What a worker's supervisor needs of the world. */
export interface WorkerWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly policy: SupervisionPolicy;
  readonly ports: PortPool;
  readonly logs: LogFiles;
  readonly recordsDirectory: string;
  readonly scratchOf: (instanceId: string) => string;
  /** Where what was relaxed is kept. */
  readonly ladderFile: string;
  readonly starts: StartHistory;
  /**
   * Calls `done` once when this worker may start with this setup (or wake: then it holds a part of its memory already), or with what
   * stands in the way. Releasing the lease ends the wait or the turn.
   */
  readonly clearance: (setup: Setup | null, isSleeper: boolean, done: (failure: Failure | null) => void) => Lease;
  /** How long a start is held up by whoever its cards are lent to. Milliseconds. */
  readonly heldUpMs: () => number;
  /** The turn to start, for a start that is under way already. */
  readonly holdTurn: () => Lease;
  /** After every change of the view. */
  readonly onChange: () => void;
}
