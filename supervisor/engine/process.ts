import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import type { Clock, Timer } from '../../gateway/core/clock.ts';
import { repeat } from '../../gateway/core/clock.ts';
import { noteZone, zoneOfChild } from '../../gateway/core/history/engine-zone.ts';
import type { Ending } from '../failure/ending.ts';
import type { Failure } from '../failure/failure.ts';
import type { Exit } from '../failure/row.ts';
import { spawnFailed } from '../failure/failure.ts';
import { type CpuUse, cpuUse } from '../system/cpu-use.ts';
import type { OomKillCount } from '../system/host-memory.ts';
import { oomKillCount } from '../system/host-memory.ts';
import type { LaunchPlan } from './launch.ts';
import type { LogFiles } from '../system/log-file.ts';
import { LogFollower, rotate } from '../system/log-file.ts';
import type { Progress } from '../failure/log-tail.ts';
import { LogTail } from '../failure/log-tail.ts';
import { GroupWatch } from '../system/group-watch.ts';
import { unlinkSegments } from '../system/shared-memory.ts';
import { endAll, outputFileOf, readProcess, signal } from '../system/processes.ts';
import type { WorkerRecord } from './record.ts';
import { removeRecord, writeRecord } from './record.ts';
import { makeScratch, removeScratch } from './scratch.ts';

/** What becomes of one engine. */
export interface EngineListener {
  onSpawned(pid: number): void;
  onSpawnFailed(failure: Failure): void;
  onProgress(progress: Progress): void;
  /** After the last line of the log has been told. */
  onExited(exit: Exit): void;
}

interface EngineProcessOptions {
  /** The record for a later life could not be written; told once until it can be again. */
  readonly onUnwritten: (reason: string) => void;
  readonly clock: Clock;
  readonly worker: string;
  readonly model: string;
  readonly logs: LogFiles;
  readonly recordsDirectory: string;
  /** The folder for temporary files of the process with this instance id. */
  readonly scratchOf: (instanceId: string) => string;
  readonly sweepGraceMs: number;
  /** Whether a process that carries this instance id belongs to this worker. */
  readonly isMarked: (instanceId: string) => boolean;
  /** After which a server that has outlived its engine is ended. */
  readonly outlivesMs?: number;
}

/** The server in front notices the end of its engine within ten seconds, and mostly at once; where it does not, it hangs for good. */
const OUTLIVES_MS = 30_000;

/** What is on record of a start from its beginning. */
export type Birth = Omit<WorkerRecord, 'pid' | 'startTicks' | 'logOffset' | 'segments'>;

/** How often a process that is not our child is looked at. */
const WATCH_MS = 250;

/** vLLM gives its own processes titles; what they start besides has other names. */
const ENGINE_TITLE = 'VLLM::';
const CORE_TITLE = 'VLLM::EngineCor';
/** Where there are several; a single one has the name of its program. */
const SERVER_TITLE = 'VLLM::APIServer';

/** One worker's engine as the system sees it: a process group, its log file, and the record of it. */
export class EngineProcess {
  readonly #options: EngineProcessOptions;
  #tail = new LogTail();
  #follower: LogFollower | null = null;
  #logFile: string;
  #group: number | null = null;
  #record: WorkerRecord | null = null;
  #isUnwritten = false;
  /** Of a process that is nobody's child here. */
  #watch: Timer | null = null;
  /** Of its processes: who goes first? */
  #members: GroupWatch | null = null;
  /** Of a server whose engine is gone. */
  #patience: Timer | null = null;
  #isOutlived = false;
  #oomKills: OomKillCount = () => null;
  #oomKillsBefore: number | null = null;

  constructor(options: EngineProcessOptions) {
    this.#options = options;
    this.#logFile = options.logs.current;
  }

  /** What the present start writes, or the last one did: one that was taken over goes on with the file that it was given. */
  get logFile(): string {
    return this.#logFile;
  }

  /** What the present start has said, or the last one has. */
  get tail(): LogTail {
    return this.#tail;
  }

  async start(plan: LaunchPlan, birth: Birth, listener: EngineListener): Promise<void> {
    const { logs } = this.#options;
    this.#tail = new LogTail();
    rotate(logs);
    noteZone(logs.current, zoneOfChild(plan.env['TZ'], this.#options.clock.wall()));
    this.#logFile = logs.current;
    const scratch = this.#options.scratchOf(birth.instanceId);
    makeScratch(scratch);
    const child = await spawnChild(plan, logs.current);
    if (child.kind === 'failed') {
      removeScratch(scratch);
      listener.onSpawnFailed(spawnFailed(plan.file, child.code, child.detail));
      return;
    }
    this.#take(child.pid, { ...birth, pid: child.pid, startTicks: readProcess(child.pid)?.startTicks ?? null, logOffset: 0, segments: [] });
    this.note({});
    listener.onSpawned(child.pid);
    // From here on nothing may throw: there is a process, and only its end may end this.
    const finish = this.#follow(0, listener);
    void child.exited.then(finish);
  }

  /** Takes over a process that an earlier supervisor has started. It is nobody's child here: its end is found by looking. */
  adopt(record: WorkerRecord, listener: EngineListener): void {
    this.#tail = new LogTail({ served: record.life === 'ready' });
    this.#logFile = outputFileOf(record.pid) ?? this.#options.logs.current;
    this.#take(record.pid, record);
    // What a start has said from its beginning tells how far it has come.
    const finish = this.#follow(record.life === 'ready' ? record.logOffset : 0, listener);
    this.#watch?.cancel();
    const watch: Timer = repeat(this.#options.clock, WATCH_MS, () => {
      if (readProcess(record.pid)?.startTicks === record.startTicks) return;
      watch.cancel();
      finish({ code: null, signal: null });
    });
    this.#watch = watch;
  }

  /** Adds to what a later life of the supervisor will find on record. */
  note(changes: Partial<WorkerRecord>): void {
    if (!this.#record) return;
    const segments = [...(this.#members?.segments() ?? this.#record.segments)];
    this.#record = { ...this.#record, ...changes, segments, logOffset: this.#follower?.offset ?? this.#record.logOffset };
    try {
      writeRecord(this.#options.recordsDirectory, this.#record);
      this.#isUnwritten = false;
    } catch (error) {
      // Without the record a later life still finds the process by its mark, and ends it.
      if (!this.#isUnwritten) this.#options.onUnwritten((error as Error).message);
      this.#isUnwritten = true;
    }
  }

  /** What its server's processes do: those of the engine behind it have work of their own. */
  cpuUse(): CpuUse | null {
    return this.#group === null ? null : cpuUse(this.#group, (name) => !name.startsWith(ENGINE_TITLE) || name.startsWith(SERVER_TITLE));
  }

  /** What the kernel has killed for want of memory until now is another story. */
  forgetOomKills(): void {
    this.#oomKillsBefore = this.#oomKills();
  }

  /** What the system tells of its end. */
  ending(exit: Exit): Pick<Ending, 'exit' | 'first' | 'lines' | 'hostOomKills'> {
    return { exit, first: this.#members?.first ?? null, lines: this.#tail.story(), hostOomKills: this.#newOomKills() };
  }

  /** How much the kernel has killed around the engine since; null where it does not say. */
  #newOomKills(): number | null {
    const now = this.#oomKills();
    return now === null || this.#oomKillsBefore === null ? null : Math.max(0, now - this.#oomKillsBefore);
  }

  terminateLeader(pid: number): void {
    this.#unwatch();
    signal(pid, 'SIGTERM');
  }

  terminateGroup(pid: number): void {
    signal(-pid, 'SIGTERM');
  }

  killGroup(pid: number): void {
    this.#unwatch();
    signal(-pid, 'SIGKILL');
  }

  /** Ends whatever is left of the group and whatever carries the mark. Resolves with the pids that cannot be ended. */
  async sweep(): Promise<readonly number[]> {
    const { clock, worker, model, recordsDirectory, isMarked, sweepGraceMs } = this.#options;
    const segments = this.#members?.segments() ?? [];
    const survivors = await endAll(clock, { group: this.#group, isMarked }, sweepGraceMs);
    if (survivors.length === 0) {
      unlinkSegments(segments);
      if (this.#record) removeScratch(this.#options.scratchOf(this.#record.instanceId));
      this.#group = null;
      this.#record = null;
      removeRecord(recordsDirectory, { worker, model });
    }
    return survivors;
  }

  /** Lets go of it as it is: what it prints and when it ends is for whoever takes it over. */
  leave(): void {
    this.note({});
    this.#unwatch();
    this.#watch?.cancel();
    this.#follower?.close();
  }

  /** At once and without looking back, for a supervisor that has no time left. */
  killNow(): void {
    if (this.#group !== null) signal(-this.#group, 'SIGKILL');
  }

  #take(pid: number, record: WorkerRecord): void {
    this.#group = pid;
    this.#record = record;
    this.#unwatch();
    this.#isOutlived = false;
    this.#members = new GroupWatch(
      this.#options.clock,
      pid,
      (name) => name.startsWith(ENGINE_TITLE),
      () => this.#lookAfterServer(pid),
    );
    this.#oomKills = oomKillCount(pid);
    this.forgetOomKills();
  }

  #unwatch(): void {
    this.#members?.stop();
    this.#patience?.cancel();
    this.#patience = null;
  }

  /** Its engine core is gone, and none is left: a server that goes on without answers nobody. */
  #lookAfterServer(pid: number): void {
    const isCore = (name: string) => name.startsWith(CORE_TITLE);
    this.#patience ??= this.#options.clock.after(this.#options.outlivesMs ?? OUTLIVES_MS, () => {
      this.#patience = null;
      if (!this.#members?.first || !isCore(this.#members.first.name) || this.#members.has(isCore)) return;
      this.#isOutlived = true;
      signal(-pid, 'SIGKILL');
    });
  }

  /** Reads the log from `offset` on. The result is to be called when the process has ended. */
  #follow(offset: number, listener: EngineListener): (exit: Exit) => void {
    const tail = this.#tail;
    const onBytes = (bytes: Buffer) => {
      const progress = tail.push(bytes);
      if (progress) listener.onProgress(progress);
    };
    const follower = new LogFollower(this.#options.clock, this.#logFile, onBytes, { offset });
    this.#follower = follower;
    return (exit) => {
      this.#unwatch();
      follower.close();
      listener.onExited(this.#isOutlived ? { code: null, signal: null } : exit);
    };
  }
}

type Spawned =
  | { readonly kind: 'running'; readonly pid: number; readonly exited: Promise<Exit> }
  | { readonly kind: 'failed'; readonly code: string; readonly detail: string };

/**
 * Starts the engine as the leader of a process group of its own, writing to `logFile`.
 * Its output goes straight into the file and not through a pipe: an engine must survive the end of its supervisor, and a grandchild
 * that keeps a pipe open must not hide the end of its parent.
 */
async function spawnChild(plan: LaunchPlan, logFile: string): Promise<Spawned> {
  const log = openSync(logFile, 'a', 0o600);
  try {
    const child = spawn(plan.file, plan.argv, { cwd: plan.cwd, env: { ...plan.env }, stdio: ['ignore', log, log], detached: true });
    const { promise: exited, resolve } = Promise.withResolvers<Exit>();
    child.once('exit', (code, signal) => resolve({ code, signal }));
    if (child.pid === undefined) {
      const [error] = await once(child, 'error');
      throw error;
    }
    // What keeps us running is having something to supervise with, not a child that may hang in the kernel for good.
    child.unref();
    return { kind: 'running', pid: child.pid, exited };
  } catch (error) {
    // Some refusals of the system come as an event, others (no memory, arguments too long) are thrown.
    const { code, message } = error as NodeJS.ErrnoException;
    return { kind: 'failed', code: code ?? 'UNKNOWN', detail: message };
  } finally {
    closeSync(log);
  }
}
