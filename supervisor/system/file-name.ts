import { createHash } from 'node:crypto';
import { join } from 'node:path';

/** Leaves room for what is put before and after it: file systems take 255 bytes. */
const MAX_CHARS = 100;

/** The name of the files of a worker's model: of these two alone, so that they are found again whatever else the settings come to say. */
export function fileStem({ id, modelId }: { readonly id: string; readonly modelId: string }): string {
  return `${id}.${fileNameOf(modelId)}`;
}

/** Where what was relaxed for a worker's model is kept. */
export function ladderFile(stateDir: string, spec: { readonly id: string; readonly modelId: string }): string {
  return join(stateDir, 'ladder', `${fileStem(spec)}.jsonl`);
}

/** A part of a file's name for a model: its id where that can be one, or what is left of it and a mark that tells it from others. */
export function fileNameOf(model: string): string {
  const name = encodeURIComponent(model);
  if (name.length <= MAX_CHARS) return name;
  return `${name.slice(0, MAX_CHARS)}-${createHash('sha256').update(model).digest('hex').slice(0, 16)}`;
}
