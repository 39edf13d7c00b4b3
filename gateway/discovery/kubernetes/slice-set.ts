import { isObject } from '../../core/json/json.ts';
import { nameOf, readSlice, type Slice, versionOf } from './slice.ts';

/** The slices that a selector picks, as a list and the events after it tell them. */
export class SliceSet {
  #slices = new Map<string, Slice>();
  /** The latest version of each that was deleted since the list. */
  readonly #deleted = new Map<string, bigint | null>();

  all(): Iterable<Slice> {
    return this.#slices.values();
  }

  /** Whoever is not in the list is gone, whether or not anybody said so. @throws ApiTrouble where an item is no slice; the set stays */
  replace(items: readonly unknown[]): void {
    const slices = items.flatMap((item) => readSlice(item) ?? []);
    this.#deleted.clear();
    this.#slices = new Map(slices.map((slice) => [slice.name, slice]));
  }

  /** Takes an event of the watch. One that is older than what is known already changes nothing. @throws ApiTrouble where it is of no slice */
  apply(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: unknown): void {
    const name = nameOf(object);
    const version = versionOf(isObject(object) && isObject(object['metadata']) ? object['metadata']['resourceVersion'] : null);
    const known = this.#slices.get(name)?.version ?? this.#deleted.get(name) ?? null;
    if (known !== null && version !== null && version < known) return;
    const slice = type === 'DELETED' ? null : readSlice(object);
    if (slice) {
      this.#slices.set(name, slice);
      this.#deleted.delete(name);
    } else {
      this.#slices.delete(name);
      this.#deleted.set(name, version);
    }
  }

  /** How many names are remembered, of those that are there and those that are not any more. */
  get size(): number {
    return this.#slices.size + this.#deleted.size;
  }
}
