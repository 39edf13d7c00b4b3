/** A list as PostgreSQL reads one, whatever it is of. */
function list(values: readonly unknown[]): string {
  const item = (value: unknown): string => (value === null ? 'NULL' : `"${String(value).replaceAll(/["\\]/g, String.raw`\$&`)}"`);
  return `{${values.map(item).join(',')}}`;
}

function listOf(oid: number): { to: number; from: number[]; parse: (text: string) => string; serialize: typeof list } {
  return { to: oid, from: [], parse: String, serialize: list };
}

/**
 * What statements here send and get besides text, by the ids that every PostgreSQL has for them. The library would ask each connection for
 * them, and when that one is lost meanwhile, nobody hears its question fail.
 */
export const TYPES = {
  // Times and sums are far from where numbers lose digits.
  bigint: { to: 20, from: [20], parse: Number, serialize: String },
  smallints: listOf(1005),
  ints: listOf(1007),
  texts: listOf(1009),
  bigints: listOf(1016),
};
