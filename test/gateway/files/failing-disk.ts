import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Disk, diskWith, type OpenFile } from '../../../gateway/files/disk.ts';
import { Turns } from '../../../gateway/state/store/turns.ts';

/** A real disk of which the operation of that number, from 0 on, fails. Removing never does. */
export function failingDisk(failAt: number, code: string): { readonly disk: Disk; readonly operations: string[] } {
  const real = diskWith(new Turns(2));
  const operations: string[] = [];
  async function maybe<T>(name: string, operation: () => Promise<T>): Promise<T> {
    operations.push(name);
    if (operations.length - 1 === failAt) throw Object.assign(new Error(`${code}: no ${name}`), { code });
    return operation();
  }
  const failing = (file: OpenFile): OpenFile => ({
    append: (bytes) => maybe('append', () => file.append(bytes)),
    read: (into, position) => maybe('read', () => file.read(into, position)),
    size: () => maybe('size', () => file.size()),
    sync: () => maybe('sync', () => file.sync()),
    // It is closed all the same.
    close: () => file.close().then(() => maybe('close', async () => {})),
  });
  const disk: Disk = {
    ...real,
    create: (path) => maybe('create', async () => failing(await real.create(path))),
    open: (path) => maybe('open', async () => failing(await real.open(path))),
    rename: (from, to) => maybe('rename', () => real.rename(from, to)),
    link: (from, to) => maybe('link', () => real.link(from, to)),
    makeFolder: (path) => maybe('makeFolder', () => real.makeFolder(path)),
    syncFolder: (path) => maybe('syncFolder', () => real.syncFolder(path)),
  };
  return { disk, operations };
}

/** A folder that is gone with the test. */
export function tempFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'headgate-files-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Paths of all files below a folder, as seen from it. */
export function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(path.length + 1))
    .toSorted();
}
