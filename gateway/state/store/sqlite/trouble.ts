import { NewerFile } from './migrations.ts';
import type { StoreFailure, StoreTrouble } from '../words.ts';

/** SQLite's primary result codes. */
const BY_CODE: Readonly<Record<number, StoreTrouble>> = {
  5: 'locked',
  6: 'locked',
  8: 'unwritable',
  10: 'disk',
  11: 'corrupt',
  13: 'full',
  14: 'unwritable',
  26: 'corrupt',
};

const BY_ERRNO: Readonly<Record<string, StoreTrouble>> = {
  EACCES: 'unwritable',
  EPERM: 'unwritable',
  EROFS: 'unwritable',
  ENOTDIR: 'unwritable',
  EISDIR: 'unwritable',
  EEXIST: 'unwritable',
  ENOSPC: 'full',
  EDQUOT: 'full',
  EIO: 'disk',
};

/** What a failure of SQLite, or of the disk, means. */
export function failureOf(error: unknown): StoreFailure {
  const { message, code = '', errcode } = error as Error & { code?: string; errcode?: number };
  if (error instanceof NewerFile) return { ok: false, trouble: 'newer', message };
  // The primary code is the lowest byte.
  const trouble = (errcode === undefined ? BY_ERRNO[code] : BY_CODE[errcode & 0xff]) ?? 'error';
  return { ok: false, trouble, message };
}
