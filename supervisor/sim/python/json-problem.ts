interface JsonProblem {
  /** Index of the character at which Python gives up. */
  readonly at: number;
  readonly message: string;
}

/** Where and why Python's JSON reader refuses `text`; call it for text that `JSON.parse` has refused. */
export function pythonJsonProblem(text: string): JsonProblem {
  try {
    const end = skipSpace(text, readValue(text, skipSpace(text, 0)));
    return { at: end, message: 'Extra data' };
  } catch (error) {
    if (error instanceof JsonProblemError) return error.problem;
    throw error;
  }
}

class JsonProblemError extends Error {
  readonly problem: JsonProblem;
  constructor(at: number, message: string) {
    super(message);
    this.problem = { at, message };
  }
}

function skipSpace(text: string, at: number): number {
  while (' \t\n\r'.includes(text.charAt(at)) && at < text.length) at++;
  return at;
}

function readValue(text: string, at: number): number {
  const first = text.charAt(at);
  if (first === '"') return readString(text, at);
  if (first === '{') return readObject(text, at);
  if (first === '[') return readArray(text, at);
  const literal = /^(?:null|true|false|NaN|-?Infinity|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)/.exec(text.slice(at, at + 400));
  if (literal === null) throw new JsonProblemError(at, 'Expecting value');
  return at + literal[0].length;
}

function readString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === '"') return at + 1;
    if (character < ' ') throw new JsonProblemError(at, 'Invalid control character at');
    if (character !== '\\') continue;
    const escape = text.charAt(at + 1);
    if (escape === '') break;
    if (escape === 'u') {
      if (!/^[0-9a-fA-F]{4}$/.test(text.slice(at + 2, at + 6))) throw new JsonProblemError(at + 1, 'Invalid \\uXXXX escape');
      at += 5;
    } else if ('"\\/bfnrt'.includes(escape)) at++;
    else throw new JsonProblemError(at, 'Invalid \\escape');
  }
  throw new JsonProblemError(start, 'Unterminated string starting at');
}

function readObject(text: string, start: number): number {
  let at = skipSpace(text, start + 1);
  if (text.charAt(at) === '}') return at + 1;
  for (;;) {
    if (text.charAt(at) !== '"') throw new JsonProblemError(at, 'Expecting property name enclosed in double quotes');
    at = skipSpace(text, readString(text, at));
    if (text.charAt(at) !== ':') throw new JsonProblemError(at, "Expecting ':' delimiter");
    at = skipSpace(text, readValue(text, skipSpace(text, at + 1)));
    const next = text.charAt(at);
    if (next === '}') return at + 1;
    if (next !== ',') throw new JsonProblemError(at, "Expecting ',' delimiter");
    at = skipSpace(text, at + 1);
  }
}

function readArray(text: string, start: number): number {
  let at = skipSpace(text, start + 1);
  if (text.charAt(at) === ']') return at + 1;
  for (;;) {
    at = skipSpace(text, readValue(text, at));
    const next = text.charAt(at);
    if (next === ']') return at + 1;
    if (next !== ',') throw new JsonProblemError(at, "Expecting ',' delimiter");
    at = skipSpace(text, at + 1);
  }
}
