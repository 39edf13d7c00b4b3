import type { SupervisorSnapshot } from '../link/snapshot.ts';
import type { WorkerDirectory } from '../core/worker.ts';

/** Calls `onOther` once for each supervisor that was started with other settings than `mark` stands for. @returns what ends the watch */
export function watchSettingsMismatch(
  directory: WorkerDirectory,
  snapshot: () => SupervisorSnapshot | null,
  mark: () => string,
  onOther: (running: SupervisorSnapshot) => void,
): () => void {
  let seen: string | undefined;
  return directory.onChange(() => {
    const running = snapshot();
    const other = running?.settingsMark;
    if (!running || other === undefined || other === seen) return;
    seen = other;
    if (other !== mark()) onOther(running);
  });
}
