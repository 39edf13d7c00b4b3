import { NewerFile } from './migrations.ts';
import type { StoreFailure, StoreTrouble } from './words.ts';

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

const ADVICE: Readonly<Record<StoreTrouble, string>> = {
  locked: 'another program keeps it to itself; end that, or wait',
  full: 'make room on its disk',
  corrupt: 'move it away, and a new one is made; what it knew is then not counted',
  newer: 'run the newer version, or set database.url to another file',
  unwritable: 'let its folder and itself be writable for the user who runs the gateway, or set database.url',
  disk: 'look after the disk that it is on, or set database.url to a file elsewhere',
  thread: 'it is tried again',
  unreachable: 'see that the server runs and can be reached from here; it is tried again',
  auth: 'let user, password and database of database.url be those of the server, and its rules let this machine in',
  timeout: 'see what the server, or its disk, has to do; it is tried again',
  error: 'it is tried again',
};

/** What helps. */
export function adviceFor(trouble: StoreTrouble): string {
  return ADVICE[trouble];
}
