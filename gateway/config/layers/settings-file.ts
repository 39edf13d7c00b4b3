import { resolve } from 'node:path';
import { fileLayer, mostBytes } from './file-layer.ts';
import { type Layer, emptyLayer } from './layer.ts';
import { SETTINGS } from '../schema/form.ts';
import type { Origin } from '../schema/origins.ts';
import type { Environment } from './variables.ts';

/** Looked for in this order in the working folder, where no file is named. */
const DEFAULT_FILES = ['headgate.yaml', 'headgate.yml'] as const;
/** Names the file, where `--config` does not. */
export const FILE_VARIABLE = 'HEADGATE_CONFIG';

/**
 * Reads at most `maxBytes` of a file; null when there is no such file. `only`: not a pipe, which would be waited for.
 * @throws anything else that goes wrong.
 */
export type ReadFile = (path: string, maxBytes: number, only?: 'regular') => Uint8Array | null;

/** What the settings file sets; its name as it was asked for, null when there is none; and a line for each that is passed over. */
export interface SettingsFile {
  readonly layer: Layer;
  readonly name: string | null;
  readonly warnings: readonly string[];
}

/**
 * The file of `--config`, else of `HEADGATE_CONFIG`, else the first of the usual names that is there. `salvage`: also what can be made out
 * of one that is no YAML. Never throws.
 */
export function settingsFile(flag: string | null, cwd: string, readFile: ReadFile, env: Environment, salvage = false): SettingsFile {
  const variable = env[FILE_VARIABLE];
  const asked: { name: string; by: Origin } | null =
    flag !== null
      ? { name: flag, by: { kind: 'flag', name: '--config' } }
      : variable
        ? { name: variable, by: { kind: 'environment', name: FILE_VARIABLE } }
        : null;
  const found: { name: string; layer: Layer }[] = [];
  for (const name of asked ? [asked.name] : DEFAULT_FILES) {
    const layer = readLayer(name, cwd, readFile, env, salvage);
    if (layer) found.push({ name, layer });
  }
  const [used, other] = found;
  if (!used) {
    const layer = asked ? unread(asked.by, `there is no file ${asked.name}`) : emptyLayer();
    return { layer, name: asked?.name ?? null, warnings: [] };
  }
  return { ...used, warnings: other ? [`${other.name} is not read, because there is ${used.name} too`] : [] };
}

function readLayer(name: string, cwd: string, readFile: ReadFile, env: Environment, salvage: boolean): Layer | null {
  try {
    const bytes = readFile(resolve(cwd, name), mostBytes(SETTINGS) + 1);
    return bytes === null ? null : fileLayer(bytes, name, env, SETTINGS, salvage);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return unread({ kind: 'file', file: name, line: 0, column: 0 }, `cannot be read: ${why}`);
  }
}

function unread(origin: Origin, message: string): Layer {
  const layer = emptyLayer();
  layer.findings.push({ origin, path: [], message });
  layer.broken.add('');
  return layer;
}
