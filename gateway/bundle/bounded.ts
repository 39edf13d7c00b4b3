const MOST_STRING = 4_000;
/** How deep a part stands in a bundle. */
const DEPTH = 1;
/** More than a mark has, beside its indent. */
const MARK_BYTES = 32;

const NO_ROOM = Symbol('no room');

/** What a text, a number, true, false or null takes as JSON, in bytes. */
export function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

/**
 * A copy of plain data that takes `bytes` at most as the pretty JSON of a part: what comes first stays, and where something is missing there
 * is a mark that says how much.
 */
export function bounded(value: unknown, bytes: number): { readonly value: unknown; readonly isCut: boolean } {
  let left = bytes;
  let isCut = false;
  let isFull = false;

  /** false: there is no room for it, nor for what comes behind it. */
  function take(count: number): boolean {
    if (isFull || count > left) {
      isFull = isCut = true;
      return false;
    }
    left -= count;
    return true;
  }

  /** `before`: what stands in front of it since the last value, in bytes. */
  function copy(each: unknown, before: number, depth: number): unknown {
    if (typeof each !== 'object' || each === null) {
      const leaf = typeof each === 'string' ? shortened(each) : (each ?? null);
      if (typeof each === 'string' && leaf !== each) isCut = true;
      return take(before + jsonBytes(leaf)) ? leaf : NO_ROOM;
    }
    const isList = Array.isArray(each);
    const fields = Object.entries(each).filter(([, inner]) => isList || inner !== undefined);
    if (fields.length === 0) return take(before + '{}'.length) ? (isList ? [] : {}) : NO_ROOM;
    // A comma, the next line and its indent.
    const line = 2 + 2 * (depth + 1);
    // Its end, and a mark, have their room whatever comes in between.
    const mark = line + MARK_BYTES;
    if (!take(before + '{\n}'.length + 2 * depth + mark)) return NO_ROOM;
    const [items, group]: [unknown[], Record<string, unknown>] = [[], {}];
    for (const [index, [name, inner]] of fields.entries()) {
      const copied = copy(inner, isList ? line : line + jsonBytes(name) + ': '.length, depth + 1);
      if (copied === NO_ROOM) {
        items.push(`(${fields.length - index} more cut)`);
        group['(cut)'] = `${fields.length - index} more`;
        return isList ? items : group;
      }
      if (isList) items.push(copied);
      else group[name] = copied;
    }
    left += mark;
    return isList ? items : group;
  }

  const copied = copy(value, 0, DEPTH);
  return { value: copied === NO_ROOM ? '(cut)' : copied, isCut };
}

function shortened(text: string): string {
  return text.length > MOST_STRING ? `${text.slice(0, MOST_STRING).toWellFormed()}… (${text.length - MOST_STRING} characters cut)` : text;
}
