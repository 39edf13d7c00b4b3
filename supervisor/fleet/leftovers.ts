import type { Clock } from '../../gateway/core/clock.ts';
import { instancePrefix } from '../system/instance-id.ts';
import type { Log } from '../../gateway/core/log/log.ts';
import { endAll, find, instanceIdOf, listProcesses, readProcess } from '../system/processes.ts';
import type { WorkerRecord } from '../engine/record.ts';
import { readRecords, recordsDirectory, removeRecord } from '../engine/record.ts';
import { removeAllScratch } from '../engine/scratch.ts';
import { mappedSegments, unlinkSegments, unlinkUnused } from '../system/shared-memory.ts';

/** An engine that is asked to stop first finishes what it has in hand; nobody waits for that any more. */
const TERM_PATIENCE_MS = 5000;

/**
 * Ends what an earlier life of this supervisor has left running, except for what was taken over (`spared`, by instance id): it would keep
 * ports and GPU memory.
 */
export async function endLeftovers(clock: Clock, stateDir: string, log: Log, spared: ReadonlySet<string> = new Set()): Promise<void> {
  const directory = recordsDirectory(stateDir);
  const records = readRecords(directory).filter(({ instanceId }) => !spared.has(instanceId));
  const prefix = instancePrefix(stateDir);
  const isMarked = (instanceId: string) => instanceId.startsWith(prefix) && !spared.has(instanceId);
  const groups = records.filter((record) => ownsGroup(record, isMarked)).map(({ pid }) => pid);
  const targets = [{ group: null, isMarked }, ...groups.map((group) => ({ group, isMarked }))];
  const found = new Set(targets.flatMap((target) => find(target).map(({ pid }) => pid)));
  if (found.size > 0) {
    log.warn('worker.leftover', `Ending ${found.size} processes that an earlier run left behind.`, { pids: [...found].join(',') });
    const segments = mappedSegments(found);
    const survivors = await Promise.all(targets.map((target) => endAll(clock, target, TERM_PATIENCE_MS)));
    const stuck = new Set(survivors.flat());
    if (stuck.size === 0) unlinkSegments(segments);
    else log.error('worker.leftover', 'Some cannot be ended: they hang inside the GPU driver.', { pids: [...stuck].join(',') });
  }
  // Those of engines that died while no supervisor was there.
  unlinkUnused(records.flatMap(({ segments }) => segments));
  for (const record of records) removeRecord(directory, record);
  removeAllScratch(stateDir, spared);
}

/** A pid is used again after its process has ended; a group is ours if its leader is the one recorded, or any member carries our mark. */
function ownsGroup(record: WorkerRecord, isMarked: (instanceId: string) => boolean): boolean {
  const leader = readProcess(record.pid);
  if (leader && record.startTicks !== null) return leader.startTicks === record.startTicks;
  return listProcesses().some(({ pid, group }) => group === record.pid && isMarked(instanceIdOf(pid) ?? ''));
}
