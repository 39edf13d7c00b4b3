/** What OpenAI says of a value of another type than it should have. @param expected with its article, as in "a string" */
export function wrongType(param: string, expected: string, value: unknown): string {
  return `Invalid type for '${param}': expected ${expected}, but got ${kindOf(value)} instead.`;
}

/** What OpenAI says of a text that has more characters, or bytes, than it may have. */
export function tooLong(param: string, most: number, length: number): string {
  return `Invalid '${param}': string too long. Expected a string with maximum length ${most}, but got a string with length ${length} instead.`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  switch (typeof value) {
    case 'object':
      return 'an object';
    case 'number':
      return Number.isInteger(value) ? 'an integer' : 'a decimal number';
    default:
      return `a ${typeof value}`;
  }
}

const SHOWN_CHARS = 100;

/** What a client wrote, for a message: cut, and of visible ASCII alone. */
export function shown(text: string): string {
  const short = text.length > SHOWN_CHARS ? `${text.slice(0, SHOWN_CHARS)}…` : text;
  return short.replaceAll(/[^\x20-\x7e…]/g, '?');
}
