import { resolve } from 'node:path';
import { fileLayer, mostBytes } from './layers/file-layer.ts';
import { emptyLayer, type Layer, locate } from './layers/layer.ts';
import type { ReadFile } from './layers/settings-file.ts';
import type { Environment } from './layers/variables.ts';
import { type ClientKeySettings, keysFileSchema } from './schema/client-keys.ts';
import type { Form } from './schema/form.ts';
import { keyFindings } from './schema/key-findings.ts';
import { type Origin, originWhere } from './schema/origins.ts';
import { type Finding, problemText } from './schema/problems.ts';
import { SchemaNode } from './schema/walk.ts';

const KEYS_FILE: Form = {
  root: new SchemaNode(keysFileSchema),
  name: 'keys file',
  content: 'keys: and a list of keys in it',
  // Ten thousand keys and more.
  most: { mebibytes: 16, values: 1_000_000 },
};

/** Where the keys of a file are read from. */
export interface KeysPlace {
  /** As it was set. */
  readonly file: string;
  /** Where it was set, for a file that is not there. Default: it is called by its name. */
  readonly namedAt?: Origin | undefined;
  /** Folder in which a relative path starts. */
  readonly cwd: string;
  readonly env: Environment;
  readonly readFile: ReadFile;
}

export interface KeysRead {
  readonly keys: readonly ClientKeySettings[];
  readonly findings: readonly Finding[];
  /** One line each. */
  readonly warnings: readonly string[];
}

/** The keys of a file, held against their form and those of the settings. Never throws: what is wrong is among the findings. */
export function readKeysFile(place: KeysPlace, inSettings: readonly ClientKeySettings[]): KeysRead {
  const layer = readLayer(place);
  const { keys } = keysFileSchema.parse(layer.tree);
  const findings = [...layer.findings];
  const warnings: string[] = [];
  if (keys.length === 0 && inSettings.length === 0 && findings.length === 0) {
    warnings.push(`${place.file} holds no keys: nobody may use the API, unless auth.allow_anonymous is true`);
  }
  for (const { severity, index, field, message } of keyFindings(keys, inSettings)) {
    const path = ['keys', index, field];
    const origin = locate(layer, path, 'value') ?? wholeOf(place.file);
    if (severity === 'error') findings.push({ origin, path, message });
    else warnings.push(problemText({ where: originWhere(origin), path: '', message }));
  }
  return { keys, findings, warnings };
}

function readLayer({ file, namedAt, cwd, env, readFile }: KeysPlace): Layer {
  const layer = emptyLayer(KEYS_FILE);
  const unread = (message: string): Layer => {
    layer.findings.push({ origin: wholeOf(file), path: [], message });
    return layer;
  };
  try {
    const bytes = readFile(resolve(cwd, file), mostBytes(KEYS_FILE) + 1, 'regular');
    if (bytes !== null) return fileLayer(bytes, file, env, KEYS_FILE);
    if (namedAt === undefined) return unread('there is no such file, which auth.keys_file names');
    layer.findings.push({ origin: namedAt, path: ['auth', 'keys_file'], message: `there is no file ${file}` });
    return layer;
  } catch (error) {
    return unread(`cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function wholeOf(file: string): Origin {
  return { kind: 'file', file, line: 0, column: 0 };
}
