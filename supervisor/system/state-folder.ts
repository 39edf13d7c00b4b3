import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

/** Why no file could be made in a folder, which need not exist yet, and what to do; null when one could. */
export function obstacleToWriting(directory: string): string | null {
  let folder = directory;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    if (!statSync(folder).isDirectory()) return `${folder} is not a folder`;
    accessSync(folder, constants.W_OK | constants.X_OK);
    return null;
  } catch (error) {
    const isReadOnly = (error as NodeJS.ErrnoException).code === 'EROFS';
    const why = isReadOnly ? 'lies on a file system that is mounted read-only' : `cannot be written to by ${whoWeAre()}`;
    const advice = isReadOnly ? 'mount a volume there' : 'give it to that user (chown)';
    return `${folder} ${why}: ${advice}, or set supervisor.state_dir to a folder that can be written to`;
  }
}

/** That strangers could change what lies in a folder: its control socket, its records, its keys. null where none can, or there is none. */
export function openToOthers(directory: string): string | null {
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (!stat) return null;
  const uid = process.geteuid?.() ?? stat.uid;
  const harm = 'could stop engines and act as the supervisor';
  if ((stat.mode & 0o002) !== 0) return `Anyone on this machine can write to ${directory}, and ${harm}: chmod 700 ${directory}.`;
  if (stat.uid !== uid && stat.uid !== 0)
    return `${directory} belongs to another user (${stat.uid}), who ${harm}: give it to ${whoWeAre()} (chown), or use another supervisor.state_dir.`;
  return null;
}

function whoWeAre(): string {
  return `user ${process.geteuid?.() ?? 'unknown'}`;
}
