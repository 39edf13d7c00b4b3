import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Journal } from '../state/store/batch-terms.ts';
import type { JournalBytes, OpenJournal, Side } from '../state/store/file-bytes.ts';

const PIECE_BYTES = 1_048_576;
const NOTHING = Buffer.alloc(0);

/** Where files lie. */
interface JournalPlaces {
  readonly path: string;
  /** A folder for what a batch writes, which need not be there. */
  batchFolder(batch: string): string;
  /** The finished file at that path is the bytes of `id` from now on, too. */
  adopt(path: string, id: string): Promise<void>;
}

/** Journals as files. */
export class JournalFolder implements JournalBytes {
  readonly #places: JournalPlaces;

  constructor(places: JournalPlaces) {
    this.#places = places;
  }

  open(batch: string, holder: string, { outputBytes, errorBytes }: Pick<Journal, 'outputBytes' | 'errorBytes'>): OpenJournal {
    return new JournalFiles(this.#places.batchFolder(batch), holder, { out: outputBytes, err: errorBytes });
  }

  /**
   * One that is all, and the asker's own, gets a second name, which takes no time; what another has written is copied: he may only seem to be
   * gone, and write on.
   */
  async assemble(batch: string, journals: readonly Journal[], side: Side, id: string, asker: string): Promise<number> {
    const folder = this.#places.batchFolder(batch);
    const parts = journals
      .map(({ holder, outputBytes, errorBytes }) => ({
        holder,
        path: journalPath(folder, holder, side),
        bytes: side === 'out' ? outputBytes : errorBytes,
      }))
      .filter(({ bytes }) => bytes > 0);
    const [first] = parts;
    if (first === undefined) return 0;
    let { path } = first;
    if (parts.length === 1 && first.holder === asker) await cutTo(path, first.bytes);
    else await joined(parts, (path = join(folder, `${asker}.whole.${side}`)));
    await this.#places.adopt(path, id);
    return parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async read(batch: string, holder: string, side: Side, from: number, most: number): Promise<Buffer> {
    let file: FileHandle;
    try {
      file = await open(journalPath(this.#places.batchFolder(batch), holder, side), 'r');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NOTHING;
      throw error;
    }
    try {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(most), 0, most, from);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  }

  async batches(): Promise<string[]> {
    try {
      return await readdir(join(this.#places.path, 'batches'));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  async remove(batch: string): Promise<void> {
    await rm(this.#places.batchFolder(batch), { recursive: true, force: true });
  }
}

function journalPath(folder: string, holder: string, side: Side): string {
  return join(folder, `${holder}.${side}`);
}

class JournalFiles implements OpenJournal {
  readonly #folder: string;
  readonly #holder: string;
  readonly #files: { [side in Side]?: FileHandle } = {};
  #committed: Readonly<Record<Side, number>>;

  constructor(folder: string, holder: string, committed: Readonly<Record<Side, number>>) {
    this.#folder = folder;
    this.#holder = holder;
    this.#committed = committed;
  }

  async append(lines: Readonly<Record<Side, readonly Buffer[]>>): Promise<Record<Side, number>> {
    const lengths = { ...this.#committed };
    for (const side of ['out', 'err'] as const) {
      if (lines[side].length === 0) continue;
      const file = (this.#files[side] ??= await this.#open(side));
      const bytes = lines[side].length === 1 ? lines[side][0]! : Buffer.concat(lines[side]);
      await writeAt(file, bytes, lengths[side]);
      await file.datasync();
      lengths[side] += bytes.length;
    }
    return lengths;
  }

  commit(lengths: Readonly<Record<Side, number>>): void {
    this.#committed = { ...lengths };
  }

  async close(): Promise<void> {
    for (const side of ['out', 'err'] as const) {
      await this.#files[side]?.close();
      delete this.#files[side];
    }
  }

  async #open(side: Side): Promise<FileHandle> {
    await mkdir(this.#folder, { recursive: true, mode: 0o700 });
    const file = await open(journalPath(this.#folder, this.#holder, side), constants.O_RDWR | constants.O_CREAT, 0o600);
    await syncFolder(this.#folder);
    return file;
  }
}

/** What a file holds may be on the disk without its name. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function cutTo(path: string, bytes: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.truncate(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function joined(parts: readonly { readonly path: string; readonly bytes: number }[], target: string): Promise<void> {
  const file = await open(target, 'w', 0o600);
  try {
    let at = 0;
    for (const { path, bytes } of parts) at = await appended(file, at, path, bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function appended(file: FileHandle, at: number, path: string, bytes: number): Promise<number> {
  const from = await open(path, 'r');
  try {
    const piece = Buffer.allocUnsafeSlow(Math.min(PIECE_BYTES, bytes));
    for (let done = 0; done < bytes;) {
      const { bytesRead } = await from.read(piece, 0, Math.min(piece.length, bytes - done), done);
      if (bytesRead === 0) throw new Error(`${path} is shorter than what is committed of it`);
      await writeAt(file, piece.subarray(0, bytesRead), at + done);
      done += bytesRead;
    }
  } finally {
    await from.close();
  }
  return at + bytes;
}

/** A disk that is full may take a part. */
async function writeAt(file: FileHandle, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}
