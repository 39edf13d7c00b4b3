import type { Clock } from '../gateway/core/clock.ts';
import { spawnChild } from './child.ts';
import type { Failure } from './failure.ts';
import type { Exit } from './failure-table.ts';
import { spawnFailed } from './failure.ts';
import type { LaunchPlan } from './launch.ts';
import type { LogFiles } from './log-file.ts';
import { LogFollower, rotate } from './log-file.ts';
import type { LogLine } from './log-lines.ts';
import type { Progress } from './log-tail.ts';
import { LogTail } from './log-tail.ts';
import { endAll, readProcess, signal } from './processes.ts';
import { removeRecord, writeRecord } from './worker-record.ts';

/** What becomes of one start of an engine. */
export interface EngineListener {
  onSpawned(pid: number): void;
  onSpawnFailed(failure: Failure): void;
  onProgress(progress: Progress): void;
  /** After the last line of the log has been told. */
  onExited(exit: Exit): void;
}

export interface EngineProcessOptions {
  readonly clock: Clock;
  readonly worker: string;
  readonly modelId: string;
  readonly logs: LogFiles;
  readonly recordsDirectory: string;
  readonly sweepGraceMs: number;
  /** Whether a process that carries this instance id belongs to this worker. */
  readonly isMarked: (instanceId: string) => boolean;
}

/** One worker's engine as the system sees it: a process group, its log file, and the record of it. */
export class EngineProcess {
  readonly #options: EngineProcessOptions;
  #tail = new LogTail();
  #group: number | null = null;

  constructor(options: EngineProcessOptions) {
    this.#options = options;
  }

  /** The end of the present start's log, or of the last one's. */
  lines(): readonly LogLine[] {
    return this.#tail.lines();
  }

  async start(plan: LaunchPlan, port: number, instanceId: string, listener: EngineListener): Promise<void> {
    const { clock, logs } = this.#options;
    const tail = new LogTail();
    this.#tail = tail;
    rotate(logs);
    const child = await spawnChild(plan, logs.current);
    if (child.kind === 'failed') {
      listener.onSpawnFailed(spawnFailed(plan.file, child.code, child.detail));
      return;
    }
    this.#group = child.pid;
    this.#record(child.pid, port, instanceId);
    listener.onSpawned(child.pid);
    // From here on nothing may throw: there is a process, and only its end may end this.
    const follower = new LogFollower(clock, logs.current, (text) => {
      const progress = tail.push(text);
      if (progress) listener.onProgress(progress);
    });
    void child.exited.then((exit) => {
      follower.close();
      tail.end();
      listener.onExited(exit);
    });
  }

  terminateLeader(pid: number): void {
    signal(pid, 'SIGTERM');
  }

  terminateGroup(pid: number): void {
    signal(-pid, 'SIGTERM');
  }

  killGroup(pid: number): void {
    signal(-pid, 'SIGKILL');
  }

  /** Ends whatever is left of the group and whatever carries the mark. Resolves with the pids that cannot be ended. */
  async sweep(): Promise<readonly number[]> {
    const { clock, worker, recordsDirectory, isMarked, sweepGraceMs } = this.#options;
    const survivors = await endAll(clock, { group: this.#group, isMarked }, sweepGraceMs);
    if (survivors.length === 0) {
      this.#group = null;
      removeRecord(recordsDirectory, worker);
    }
    return survivors;
  }

  /** At once and without looking back, for a supervisor that has no time left. */
  killNow(): void {
    if (this.#group !== null) signal(-this.#group, 'SIGKILL');
  }

  #record(pid: number, port: number, instanceId: string): void {
    const { clock, worker, modelId, recordsDirectory } = this.#options;
    const startTicks = readProcess(pid)?.startTicks ?? null;
    const startedAt = new Date(clock.wall()).toISOString();
    try {
      writeRecord(recordsDirectory, { worker, pid, startTicks, instanceId, port, model: modelId, startedAt });
    } catch {
      // Without the record a later life still finds the process by its mark.
    }
  }
}
