import { pythonRepr } from '../python/values.ts';

/** One thing that is wrong with a body, as pydantic tells of it. */
export interface FieldProblem {
  /** pydantic's name for it, such as `missing`. */
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
}

/** More are only counted, and longer values are cut (vllm/entrypoints/serve/exception_handling/handlers/validation.py of 0.32). */
const MOST_PROBLEMS = 10;
const LONGEST_INPUT = 200;
const LONGEST_PROBLEM = 1000;

/** What FastAPI answers with in vLLM's words; it quotes the offending input. */
export function problemText(problems: readonly FieldProblem[]): string {
  const label = problems.length === 1 ? 'error' : 'errors';
  const lines = problems.slice(0, MOST_PROBLEMS).map((problem) => `  ${cut(lineOf(problem), LONGEST_PROBLEM)}`);
  if (problems.length > MOST_PROBLEMS) lines.push(`  ...and ${problems.length - MOST_PROBLEMS} more ${label}`);
  return `${problems.length} validation ${label}:\n${lines.join('\n')}`;
}

function lineOf({ type, loc, msg, input, ctx }: FieldProblem): string {
  const context = ctx === undefined ? '' : `, 'ctx': ${pythonRepr(ctx)}`;
  return `{'type': '${type}', 'loc': ${pythonRepr(loc.join('.'))}, 'msg': ${pythonRepr(msg)}, 'input': ${pythonRepr(shownInput(input))}${context}}`;
}

/** Scalars are quoted, as text; of what holds others only the size is told. */
function shownInput(input: unknown): string {
  if (Array.isArray(input)) return `<list of ${input.length} items>`;
  if (typeof input === 'object' && input !== null) return `<dict of ${Object.keys(input).length} items>`;
  return cut(typeof input === 'string' ? input : pythonRepr(input), LONGEST_INPUT);
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most)}...[truncated]` : text;
}

/** The same problems in pydantic's own words, which vLLM passes on where a list is read later than its body. */
export function rawProblemText(title: string, problems: readonly FieldProblem[]): string {
  const entries = problems.map(({ type, loc, msg, input }) => {
    const shown = `[type=${type}, input_value=${shortened(pythonRepr(input))}, input_type=${pythonType(input)}]`;
    return `${loc.join('.')}\n  ${msg} ${shown}\n    For further information visit https://errors.pydantic.dev/2.14/v/${type}`;
  });
  return `${problems.length} validation error${problems.length === 1 ? '' : 's'} for ${title}\n${entries.join('\n')}`;
}

/** Of long values pydantic shows both ends. */
export function shortened(repr: string): string {
  return repr.length <= 50 ? repr : `${repr.slice(0, 25)}...${repr.slice(-24)}`;
}

function pythonType(value: unknown): string {
  if (value === null) return 'NoneType';
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'string') return 'str';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float';
  return 'dict';
}
