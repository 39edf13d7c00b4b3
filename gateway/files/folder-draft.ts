import type { DraftBytes } from '../state/store/file-bytes.ts';
import type { Disk, OpenFile } from './disk.ts';

/** Where it lies, and where it will. */
interface DraftPlaces {
  readonly disk: Disk;
  /** What was written, and has been synced, is the file `id` from now on. */
  nameDraft(path: string, id: string): Promise<void>;
  remove(id: string): Promise<void>;
}

/** A file that is being written, in the folder of what is. */
export class FolderDraft implements DraftBytes {
  readonly #id: string;
  readonly #folder: DraftPlaces;
  readonly #file: OpenFile;
  readonly #path: string;

  constructor(id: string, folder: DraftPlaces, file: OpenFile, path: string) {
    this.#id = id;
    this.#folder = folder;
    this.#file = file;
    this.#path = path;
  }

  append(bytes: Buffer): Promise<void> {
    return this.#file.append(bytes);
  }

  async keep(): Promise<void> {
    try {
      await this.#file.sync();
      await this.#file.close();
      await this.#folder.nameDraft(this.#path, this.#id);
    } catch (error) {
      await this.discard();
      await this.#folder.remove(this.#id).catch(() => {});
      throw error;
    }
  }

  async discard(): Promise<void> {
    await this.#file.close().catch(() => {});
    await this.#folder.disk.remove(this.#path).catch(() => {});
  }
}
