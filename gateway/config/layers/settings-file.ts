import { resolve } from 'node:path';
import { fileLayer, READ_BYTES } from './file-layer.ts';
import { type Layer, emptyLayer } from './layer.ts';
import type { Origin } from '../schema/origins.ts';
import type { Environment } from './variables.ts';

const DEFAULT_FILE = 'headgate.yaml';

/** Reads at most `maxBytes` of a file; null when there is no such file. @throws anything else that goes wrong. */
export type ReadFile = (path: string, maxBytes: number) => Uint8Array | null;

/** What the settings file sets, and its name as it was asked for; no name when there is none. Never throws. */
export function settingsFile(
  asked: string | null,
  cwd: string,
  readFile: ReadFile,
  env: Environment,
): { layer: Layer; name: string | null } {
  const name = asked ?? DEFAULT_FILE;
  const origin: Origin = { kind: 'file', file: name, line: 0, column: 0 };
  let bytes: Uint8Array | null;
  try {
    bytes = readFile(resolve(cwd, name), READ_BYTES);
  } catch (error) {
    return { layer: unread(origin, `cannot be read: ${error instanceof Error ? error.message : String(error)}`), name };
  }
  if (bytes === null) {
    if (asked === null) return { layer: emptyLayer(), name: null };
    return { layer: unread({ kind: 'flag', name: '--config' }, `there is no file ${name}`), name };
  }
  return { layer: fileLayer(bytes, name, env), name };
}

function unread(origin: Origin, message: string): Layer {
  const layer = emptyLayer();
  layer.findings.push({ origin, path: [], message });
  layer.broken.add('');
  return layer;
}
