/** An exception as a value: `ValueError('…')`. */
export class PythonError {
  readonly name: string;
  readonly words: string;
  constructor(name: string, words: string) {
    this.name = name;
    this.words = words;
  }
}

/** How Python writes values, since vLLM's messages quote them. */
export function pythonRepr(value: unknown): string {
  if (value === null || value === undefined) return 'None';
  if (value === true) return 'True';
  if (value === false) return 'False';
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : pythonFloat(value);
  if (typeof value === 'string') return quote(value);
  if (value instanceof PythonError) return `${value.name}(${quote(value.words)})`;
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(', ')}]`;
  return `{${Object.entries(value as object)
    .map(([key, item]) => `${quote(key)}: ${pythonRepr(item)}`)
    .join(', ')}}`;
}

/** A float as Python prints it: 1 is `1.0`. */
export function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : value < 0 ? '-inf' : 'nan';
  return Number.isInteger(value) && Math.abs(value) < 1e16 ? `${value}.0` : String(value);
}

function quote(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t');
  return text.includes("'") && !text.includes('"') ? `"${escaped}"` : `'${escaped.replaceAll("'", "\\'")}'`;
}
