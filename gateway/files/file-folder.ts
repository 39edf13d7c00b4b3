import { join } from 'node:path';
import { lifeOf, processOf } from '../state/store/process-life.ts';
import type { DraftBytes, FileBytes, JournalBytes, OpenBytes } from '../state/store/file-bytes.ts';
import { type Disk, openBytes, systemDisk } from './disk.ts';
import { FolderDraft } from './folder-draft.ts';
import { JournalFolder } from './journal-folder.ts';

const ID = /^[a-z_]{1,16}-[0-9a-f]{32}$/;
const DRAFT = /^[a-z_]{1,16}-[0-9a-f]{32}\.(\d{1,10})\.([\w-]{0,180})$/;
/** Of a draft whose writer nobody here can see, and which has not changed for so long, nothing comes any more. */
const STRANGE_DRAFT_MS = 2 * 24 * 3_600_000;
/** A file gets its name before its row: one without a row may be a moment old. */
const NAMELESS_MS = 3_600_000;

/**
 * The folder of the files. Below it: `<id>`, the bytes of each; `tmp`, what is being written, with its writer in its name;
 * `batches/<batch>`, what batches that run write. Names of clients are no part of it.
 */
export class FileFolder implements FileBytes {
  readonly path: string;
  readonly disk: Disk;
  readonly journals: JournalBytes = new JournalFolder(this);
  readonly #writer: string;
  #made: Promise<void> | null = null;

  constructor(path: string, disk = systemDisk, writer = processOf(process.pid)) {
    this.path = path;
    this.disk = disk;
    this.#writer = `${writer.pid}.${Buffer.from(writer.startedAt).toString('base64url')}`;
  }

  /** @throws Error for what is no id: nothing else becomes a path */
  pathOf(id: string): string {
    if (!ID.test(id)) throw new Error('not the id of a file');
    return join(this.path, id);
  }

  /** Where a batch that runs may keep what it writes. @throws Error for what is no id */
  batchFolder(batch: string): string {
    if (!/^batch_[0-9a-f]{32}$/.test(batch)) throw new Error('not the id of a batch');
    return join(this.path, 'batches', batch);
  }

  /** Makes the folders, where they are not there. */
  async make(): Promise<void> {
    this.#made ??= this.#make();
    try {
      await this.#made;
    } catch (error) {
      this.#made = null;
      throw error;
    }
  }

  async draft(id: string): Promise<DraftBytes> {
    await this.make();
    const path = join(this.path, 'tmp', `${this.#checked(id)}.${this.#writer}`);
    try {
      return new FolderDraft(id, this, await this.disk.create(path), path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // Somebody has removed the folders since.
      this.#made = null;
      await this.make();
      return new FolderDraft(id, this, await this.disk.create(path), path);
    }
  }

  /** What was written, and has been synced, is the file `id` from now on, whatever becomes of the machine. */
  async nameDraft(path: string, id: string): Promise<void> {
    await this.disk.rename(path, this.pathOf(id));
    await this.disk.syncFolder(this.path);
  }

  /** The same for a finished file that keeps its old name, until whoever has written it knows that the new one is taken down. */
  async adopt(path: string, id: string): Promise<void> {
    await this.make();
    await this.disk.link(path, this.pathOf(id));
    await this.disk.syncFolder(this.path);
  }

  open(id: string): Promise<OpenBytes> {
    return openBytes(this.disk, this.pathOf(id));
  }

  remove(id: string): Promise<void> {
    return this.disk.remove(this.pathOf(id));
  }

  /** Drafts that nobody writes any more. */
  async leftovers(now: number, most: number): Promise<string[]> {
    await this.make();
    const dead: string[] = [];
    for await (const name of this.disk.names(join(this.path, 'tmp'))) {
      if (dead.length === most) break;
      const life = writerLife(name);
      const isDead =
        life === 'gone' || (life === 'unknown' && isOlder(await this.disk.changedAt(join(this.path, 'tmp', name)), now - STRANGE_DRAFT_MS));
      if (isDead) dead.push(name);
    }
    return dead;
  }

  removeLeftover(name: string): Promise<void> {
    return this.disk.remove(join(this.path, 'tmp', name));
  }

  async nameless(now: number, most: number, known: () => Promise<ReadonlySet<string>>): Promise<string[]> {
    await this.make();
    const there: string[] = [];
    for await (const name of this.disk.names(this.path)) if (ID.test(name)) there.push(name);
    const nameless: string[] = [];
    const rows = await known();
    // A database that knows of no file at all may be a new one, in the place of one that was lost.
    if (rows.size === 0) return [];
    for (const id of there) {
      if (nameless.length === most) break;
      if (!rows.has(id) && isOlder(await this.disk.changedAt(this.pathOf(id)), now - NAMELESS_MS)) nameless.push(id);
    }
    return nameless;
  }

  #checked(id: string): string {
    this.pathOf(id);
    return id;
  }

  async #make(): Promise<void> {
    for (const folder of ['', 'tmp', 'batches']) await this.disk.makeFolder(join(this.path, folder));
  }
}

function writerLife(name: string): ReturnType<typeof lifeOf> {
  const [, pid, startedAt = ''] = DRAFT.exec(name) ?? [];
  return pid === undefined ? 'unknown' : lifeOf({ pid: Number(pid), startedAt: Buffer.from(startedAt, 'base64url').toString() });
}

function isOlder(changedAt: number | null, than: number): boolean {
  return changedAt !== null && changedAt < than;
}
