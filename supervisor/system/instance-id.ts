import { createHash } from 'node:crypto';

/** What all instance ids of one state folder begin with, so that two supervisors on a machine never end each other's workers. */
export function instancePrefix(stateDir: string): string {
  return `${createHash('sha256').update(stateDir).digest('hex').slice(0, 12)}:`;
}

/** What all instance ids of one worker's processes for one model begin with. */
export function workerPrefix(stateDir: string, worker: string, model: string): string {
  return `${instancePrefix(stateDir)}${worker}:${encodeURIComponent(model)}:`;
}

/** A short name for a value: equal for equal ones, key order included. */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
