import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { z } from 'zod';
import { fileLayer } from '../../gateway/config/layers/file-layer.ts';
import { type Layer, locate } from '../../gateway/config/layers/layer.ts';
import type { Form } from '../../gateway/config/schema/form.ts';
import type { Path } from '../../gateway/config/schema/origins.ts';
import type { Finding } from '../../gateway/config/schema/problems.ts';
import { SchemaNode } from '../../gateway/config/schema/walk.ts';

/** Its name is that of its file. */
type Named<T> = { readonly name: string } & T;

/** One profile, with the places in its file where its values stand. */
export interface ProfileFile<T> {
  readonly profile: T;
  readonly layer: Layer;
}

/** Every sound profile of a folder; what is wrong with the others is added to the findings. */
export function readProfileFiles<T extends object>(
  folder: string,
  schema: z.ZodType<T>,
  findings: Finding[],
): readonly ProfileFile<Named<T>>[] {
  const form: Form = { root: new SchemaNode(schema), name: 'profile', content: 'keys with their values, such as title: and engine:' };
  const files: ProfileFile<Named<T>>[] = [];
  for (const entry of read(folder, findings, (path) => readdirSync(path).toSorted()) ?? []) {
    // Editors leave hidden files beside the one that they have open.
    if (!entry.endsWith('.yaml') || entry.startsWith('.')) continue;
    const file = join(folder, entry);
    const bytes = read(file, findings, (path) => readFileSync(path));
    if (bytes === null) continue;
    const layer = fileLayer(bytes, file, null, form);
    if (layer.findings.length > 0) findings.push(...layer.findings);
    else files.push({ profile: { name: basename(entry, '.yaml'), ...schema.parse(layer.tree) }, layer });
  }
  return files;
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
