import { createHash } from 'node:crypto';

/** Leaves room for what is put before and after it: file systems take 255 bytes. */
const MAX_CHARS = 100;

/** A part of a file's name for a model: its id where that can be one, or what is left of it and a mark that tells it from others. */
export function fileNameOf(model: string): string {
  const name = encodeURIComponent(model);
  if (name.length <= MAX_CHARS) return name;
  return `${name.slice(0, MAX_CHARS)}-${createHash('sha256').update(model).digest('hex').slice(0, 16)}`;
}
