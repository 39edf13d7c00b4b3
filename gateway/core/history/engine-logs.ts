import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** An engine's log file, and the worker and model that it is named after. */
export interface EngineLog {
  readonly path: string;
  readonly worker: string;
  readonly kind: 'current' | 'previous' | 'failed';
  /** When something came last, in wall-clock milliseconds. */
  readonly atMs: number;
}

/** Every engine log of a state folder, the one with the latest news first. Named by supervisor/system/file-name.ts. */
export function engineLogs(stateDir: string): EngineLog[] {
  const folder = join(stateDir, 'logs');
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  return names.flatMap((name) => read(folder, name) ?? []).toSorted((a, b) => b.atMs - a.atMs);
}

function read(folder: string, name: string): EngineLog | null {
  const [, stem, kind = 'current'] = /^(.+?)(?:\.(previous|failed))?\.log$/.exec(name) ?? [];
  if (stem === undefined) return null;
  const path = join(folder, name);
  try {
    const [worker = stem] = stem.split('.');
    return { path, worker, kind: kind as EngineLog['kind'], atMs: statSync(path).mtimeMs };
  } catch {
    // It was turned over just now.
    return null;
  }
}
