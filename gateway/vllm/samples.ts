// Samples of a Prometheus text page, found without splitting it: a page is up to 100 KB, and read twice a second. A name is given with the
// newline that stands before it.

const SPACE = 32;
const QUOTE = 34;
const BACKSLASH = 92;
const OPEN = 123;
const CLOSE = 125;

/** The sum of all samples of a name; null where there is none. */
export function sum(page: string, name: string): number | null {
  let total: number | null = null;
  eachSample(page, name, (_labels, value) => {
    total = (total ?? 0) + value;
  });
  return total;
}

/** The same of several names together; null where there is none of any. */
export function sumOfAll(page: string, names: readonly string[]): number | null {
  let total: number | null = null;
  for (const name of names) {
    const counted = sum(page, name);
    if (counted !== null) total = (total ?? 0) + counted;
  }
  return total;
}

/** The largest of a name. */
export function largest(page: string, name: string): number | null {
  let most: number | null = null;
  eachSample(page, name, (_labels, value) => {
    most = Math.max(most ?? 0, value);
  });
  return most;
}

/** `visit` gets each sample of exactly this name (which begins with the newline before it) whose value is a finite number. */
export function eachSample(page: string, name: string, visit: (labels: string, value: number) => void): void {
  let afterName = page.startsWith(name.slice(1)) ? name.length - 1 : indexAfter(page, name, 0);
  while (afterName !== -1) {
    const next = page.charCodeAt(afterName);
    if (next === OPEN || next === SPACE) {
      const afterLabels = next === OPEN ? endOfLabels(page, afterName) : afterName;
      const value = numberAt(page, afterLabels);
      if (Number.isFinite(value)) visit(page.slice(afterName, afterLabels), value);
    }
    afterName = indexAfter(page, name, afterName);
  }
}

function indexAfter(page: string, name: string, from: number): number {
  const at = page.indexOf(name, from);
  return at === -1 ? -1 : at + name.length;
}

/** The index after the closing brace; a brace inside a label's value does not close. */
function endOfLabels(page: string, open: number): number {
  let quoted = false;
  for (let i = open + 1; i < page.length; i += 1) {
    const char = page.charCodeAt(i);
    if (char === BACKSLASH) i += 1;
    else if (char === QUOTE) quoted = !quoted;
    else if (char === CLOSE && !quoted) return i + 1;
  }
  return page.length;
}

/** The number that begins after one space; NaN when there is none. A timestamp may follow it. */
function numberAt(page: string, space: number): number {
  let end = space + 1;
  while (end < page.length && page.charCodeAt(end) > SPACE) end += 1;
  return end === space + 1 ? Number.NaN : Number(page.slice(space + 1, end));
}
