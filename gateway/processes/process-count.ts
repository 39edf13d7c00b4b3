import { availableParallelism } from 'node:os';

/** More serve no more streams than the machines have that we know of. */
const MOST_BY_ITSELF = 16;

/** How many processes are to serve. auto: one for each core that this process may use, which a container may be granted few of. */
export function processCount(setting: number | 'auto', cores: () => number = availableParallelism): number {
  return setting === 'auto' ? Math.max(1, Math.min(cores(), MOST_BY_ITSELF)) : setting;
}

/** Whether several processes can listen on one port, each with a part of what comes: not on macOS and Windows. */
export function canSharePorts(platform: NodeJS.Platform = process.platform): boolean {
  return platform !== 'darwin' && platform !== 'win32';
}
