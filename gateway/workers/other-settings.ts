import type { SupervisorSnapshot } from '../link/snapshot.ts';
import type { WorkerDirectory } from '../core/worker.ts';

/** Calls `onOther` for a supervisor that was started with other settings than `mark` stands for, once for each. @returns what ends that */
export function watchSettingsMark(
  directory: WorkerDirectory,
  snapshot: () => SupervisorSnapshot | null,
  mark: () => string,
  onOther: () => void,
): () => void {
  let seen: string | undefined;
  return directory.onChange(() => {
    const other = snapshot()?.settingsMark;
    if (other === undefined || other === seen) return;
    seen = other;
    if (other !== mark()) onOther();
  });
}
