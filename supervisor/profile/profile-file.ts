import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { z } from 'zod';
import { fileLayer } from '../../gateway/config/layers/file-layer.ts';
import { checkLayer, type Layer, locate } from '../../gateway/config/layers/layer.ts';
import type { Form } from '../../gateway/config/schema/form.ts';
import type { Path } from '../../gateway/config/schema/origins.ts';
import type { Finding } from '../../gateway/config/schema/problems.ts';
import { SchemaNode } from '../../gateway/config/schema/walk.ts';
import { laidOver } from './laid-over.ts';

/** Its name is that of its file. */
type Named<T> = { readonly name: string } & T;

/** One profile, with the places in its files where its values stand. */
export interface ProfileFile<T> {
  readonly profile: T;
  readonly layer: Layer;
}

export interface ProfileFolder<T> {
  readonly files: readonly ProfileFile<Named<T>>[];
  /** Names of profiles that are there and of no use. */
  readonly broken: ReadonlySet<string>;
}

const form = (schema: z.ZodType): Form => ({
  root: new SchemaNode(schema),
  name: 'profile',
  content: 'keys with their values, such as title: and engine:',
});

/**
 * Every sound profile of `kind` in the folders, later folders laid over earlier ones; what is wrong with the others is added to the
 * findings. Only the first folder has to have that kind; in the others a profile of a name that is known already says what is different.
 */
export function readProfileFiles<T extends object>(
  [first, ...others]: readonly [string, ...string[]],
  kind: string,
  schema: z.ZodObject & z.ZodType<T>,
  findings: Finding[],
): ProfileFolder<T> {
  const [whole, part] = [form(schema), form(schema.partial())];
  const layers = new Map<string, Layer>();
  const broken = new Set<string>();
  for (const folder of [first, ...others].map((each) => join(each, kind))) {
    if (folder !== join(first, kind) && !existsSync(folder)) continue;
    for (const entry of read(folder, findings, (path) => readdirSync(path).toSorted()) ?? []) {
      // Editors leave hidden files beside the one that they have open.
      if (!entry.endsWith('.yaml') || entry.startsWith('.')) continue;
      const name = basename(entry, '.yaml');
      const file = join(folder, entry);
      const bytes = read(file, findings, (path) => readFileSync(path));
      const below = layers.get(name);
      const layer = bytes && fileLayer(bytes, file, null, below ? part : whole);
      findings.push(...(layer?.findings ?? []));
      if (!layer || layer.findings.length > 0) broken.add(name);
      else layers.set(name, below ? checked(laidOver(below, layer), file, findings, broken, name) : layer);
    }
  }
  const sound = [...layers].filter(([name]) => !broken.has(name));
  return { files: sound.map(([name, layer]) => ({ profile: { name, ...schema.parse(layer.tree) }, layer })), broken };
}

/** Two sound halves need not make a sound whole. */
function checked(layer: Layer, file: string, findings: Finding[], broken: Set<string>, name: string): Layer {
  checkLayer(layer, { kind: 'file', file, line: 1, column: 1 });
  findings.push(...layer.findings);
  if (layer.findings.length > 0) broken.add(name);
  return layer;
}

/** What lies at a path; null and a finding where it cannot be read. */
function read<T>(path: string, findings: Finding[], how: (path: string) => T): T | null {
  try {
    return how(path);
  } catch (error) {
    findings.push({
      origin: { kind: 'file', file: path, line: 0, column: 0 },
      path: [],
      message: `cannot be read: ${(error as Error).message}`,
    });
    return null;
  }
}

/** What is wrong with a key of a profile, at its place in the file. */
export function findingAt({ layer }: ProfileFile<object>, path: Path, message: string): Finding {
  return { origin: locate(layer, path, 'key') ?? { kind: 'default' }, path, message };
}
