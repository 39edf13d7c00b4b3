const MOST_STRING = 4_000;

/**
 * A copy of plain data that takes some `bytes` as JSON at most: what comes first stays, and where something is missing there is a mark that
 * says how much.
 */
export function bounded(value: unknown, bytes: number): { readonly value: unknown; readonly isCut: boolean } {
  let left = bytes;
  let isCut = false;

  function copy(each: unknown, depth: number): unknown {
    if (typeof each === 'string') {
      const text =
        each.length > MOST_STRING ? `${each.slice(0, MOST_STRING).toWellFormed()}… (${each.length - MOST_STRING} characters cut)` : each;
      if (text !== each) isCut = true;
      left -= Buffer.byteLength(text) + 2;
      return text;
    }
    left -= 8;
    if (typeof each !== 'object' || each === null) return each;
    const indent = 2 * depth + 2;
    if (Array.isArray(each)) {
      const items: unknown[] = [];
      for (const [index, item] of each.entries()) {
        if (left <= 0) {
          isCut = true;
          return [...items, `(${each.length - index} more cut)`];
        }
        left -= indent;
        items.push(copy(item, depth + 1));
      }
      return items;
    }
    const group: Record<string, unknown> = {};
    const names = Object.keys(each);
    for (const [index, name] of names.entries()) {
      const inner = (each as Record<string, unknown>)[name];
      if (inner === undefined) continue;
      if (left <= 0) {
        isCut = true;
        group['(cut)'] = `${names.length - index} more`;
        return group;
      }
      left -= indent + name.length + 4;
      group[name] = copy(inner, depth + 1);
    }
    return group;
  }

  return { value: copy(value, 0), isCut };
}
