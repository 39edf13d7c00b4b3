/** One line of nvidia-smi's table. */
export interface Row {
  /** By field; what the driver does not say is left out. */
  readonly values: ReadonlyMap<string, string>;
  /** Fields that the driver could not read, and what it put in their place. */
  readonly broken: ReadonlyMap<string, string>;
}

// The driver's ways to say that a card has no such thing, as against those that say something is wrong with it.
const ABSENT = /^(?:\[?N\/A\]?|\[Not Supported\]|\[Not Found\]|\[Insufficient Permissions\])$/i;
const BROKEN = /^(?:ERR!|\[?Unknown Error\]?|\[GPU requires reset\]|\[GPU is lost\]|\[.*\])$/i;

/** Parses `--format=csv,noheader` output: one row a line, cells in the order of `fields`; the last field takes any further commas. */
export function parseCsv(text: string, fields: readonly string[]): Row[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .map((line) => toRow(line, fields));
}

function toRow(line: string, fields: readonly string[]): Row {
  const parts = line.split(',');
  const cells = [...parts.slice(0, fields.length - 1), parts.slice(fields.length - 1).join(',')].map((cell) => cell.trim());
  const values = new Map<string, string>();
  const broken = new Map<string, string>();
  for (const [index, field] of fields.entries()) {
    const cell = cells[index];
    if (cell === undefined || cell === '' || ABSENT.test(cell)) continue;
    if (BROKEN.test(cell)) broken.set(field, cell);
    else values.set(field, cell);
  }
  return { values, broken };
}

/** Both rows' fields; where they disagree, the later one's. */
export function mergeRows(rows: readonly Row[]): Row {
  return {
    values: new Map(rows.flatMap(({ values }) => [...values])),
    broken: new Map(rows.flatMap(({ broken }) => [...broken])),
  };
}

/** A number, whatever unit stands behind it; null where there is none. */
export function numberIn(row: Row, field: string): number | null {
  const value = Number.parseFloat(row.values.get(field) ?? '');
  return Number.isFinite(value) ? value : null;
}

/** An amount of memory in bytes. nvidia-smi counts in MiB, with or without saying so. */
export function bytesIn(row: Row, field: string): number | null {
  const mib = numberIn(row, field);
  return mib === null || mib < 0 ? null : mib * 2 ** 20;
}
