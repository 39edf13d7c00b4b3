import { constants } from 'node:fs';
import { copyFile, type FileHandle, link, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises';
import type { OpenBytes } from '../state/store/file-bytes.ts';
import { Turns } from '../state/store/turns.ts';

/**
 * How many operations of files may be under way in this process. Each takes a thread of Node's pool, of which there are four, and which look
 * up names of workers too: a disk that stands still must not have all of them.
 */
const AT_ONCE = 2;

/** A file that is open. Everything rejects with what the system says. */
export interface OpenFile {
  /** All of it, where the last write ended. */
  append(bytes: Uint8Array): Promise<void>;
  /** @returns how many bytes there were; fewer than there is room for only at the end, 0 behind it */
  read(into: Uint8Array, position: number): Promise<number>;
  size(): Promise<number>;
  /** Resolves when its bytes outlive a power failure. */
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** What is asked of the disk. Rejects with what the system says. */
export interface Disk {
  /** A new file, for its owner alone. */
  create(path: string): Promise<OpenFile>;
  open(path: string): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  /** A second name for the same bytes; where the disk has none, a copy that outlives a power failure. */
  link(from: string, to: string): Promise<void>;
  /** What is not there is removed. */
  remove(path: string): Promise<void>;
  makeFolder(path: string): Promise<void>;
  /** Resolves when the names in a folder outlive a power failure. */
  syncFolder(path: string): Promise<void>;
  /** Names of the files in a folder, as they come. */
  names(folder: string): AsyncIterable<string>;
  /** Wall-clock milliseconds at which its bytes or its name changed last; null: it is not there. */
  changedAt(path: string): Promise<number | null>;
}

/** The disk of this machine, of which all files of a process take turns. */
export function diskWith(turns: Turns): Disk {
  const openAs = async (path: string, flags: number, mode?: number): Promise<OpenFile> =>
    fileOf(await turns.run(() => open(path, flags, mode)), turns);
  return {
    create: (path) => openAs(path, constants.O_CREAT | constants.O_EXCL | constants.O_RDWR, 0o600),
    open: (path) => openAs(path, constants.O_RDONLY),
    rename: (from, to) => turns.run(() => rename(from, to)),
    async link(from, to) {
      try {
        await turns.run(() => link(from, to));
      } catch (error) {
        if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
        await turns.run(() => copyFile(from, to, constants.COPYFILE_EXCL));
        const copy = await openAs(to, constants.O_RDWR);
        await copy.sync().finally(() => copy.close());
      }
    },
    remove: (path) => turns.run(() => rm(path, { force: true })),
    makeFolder: async (path) => void (await turns.run(() => mkdir(path, { recursive: true, mode: 0o700 }))),
    async syncFolder(path) {
      const folder = await openAs(path, constants.O_RDONLY);
      try {
        await folder.sync();
      } catch (error) {
        if (!NO_FOLDER_SYNC.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
      } finally {
        await folder.close();
      }
    },
    async *names(folder) {
      for await (const entry of await turns.run(() => opendir(folder))) if (entry.isFile()) yield entry.name;
    },
    async changedAt(path) {
      try {
        return (await turns.run(() => stat(path))).ctimeMs;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
        throw error;
      }
    },
  };
}

export const systemDisk: Disk = diskWith(new Turns(AT_ONCE));

/** A file to be read, as it is by now. */
export async function openBytes(disk: Pick<Disk, 'open'>, path: string): Promise<OpenBytes> {
  const file = await disk.open(path);
  try {
    return { size: await file.size(), read: (into, position) => file.read(into, position), close: () => file.close() };
  } catch (error) {
    await file.close().catch(() => {});
    throw error;
  }
}

/** What systems say where a file cannot have two names. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV', 'EMLINK']);

/** What those say that take down names by themselves, and know no other way. */
const NO_FOLDER_SYNC: ReadonlySet<string> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP']);

function fileOf(handle: FileHandle, turns: Turns): OpenFile {
  return {
    append: (bytes) =>
      turns.run(async () => {
        // A disk that is nearly full takes a part of it, and says so at the next.
        for (let at = 0; at < bytes.length;) at += (await handle.write(bytes, at, bytes.length - at, null)).bytesWritten;
      }),
    read: (into, position) =>
      turns.run(async () => {
        let at = 0;
        while (at < into.length) {
          const { bytesRead } = await handle.read(into, at, into.length - at, position + at);
          if (bytesRead === 0) break;
          at += bytesRead;
        }
        return at;
      }),
    size: async () => (await turns.run(() => handle.stat())).size,
    sync: () => turns.run(() => handle.sync()),
    close: () => turns.run(() => handle.close()),
  };
}
