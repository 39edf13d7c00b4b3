import { pythonRepr } from '../python/values.ts';

/** A refusal in vLLM's words: `{"error":{"message","type","param","code"}}`. */
export class ApiError extends Error {
  readonly status: number;
  readonly type: string;
  readonly param: string | null;

  constructor(status: number, type: string, message: string, param: string | null = null) {
    super(message);
    this.status = status;
    this.type = type;
    this.param = param;
  }
}

/** A value that vLLM refuses; its messages name the parameter and the value at their end. */
export function badValue(message: string, param: string, value?: string): ApiError {
  const shown = value === undefined ? '' : `, value=${value}`;
  return new ApiError(400, 'BadRequestError', `${message} (parameter=${param}${shown})`, param);
}

export function badRequest(message: string, param: string | null = null): ApiError {
  return new ApiError(400, 'BadRequestError', message, param);
}

export interface FieldProblem {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
}

/** More are only counted. */
const MOST_PROBLEMS = 10;

/** Scalars are quoted, as text; of what holds others only the size is told. */
function shownInput(input: unknown): string {
  if (Array.isArray(input)) return `<list of ${input.length} items>`;
  if (typeof input === 'object' && input !== null) return `<dict of ${Object.keys(input).length} items>`;
  return typeof input === 'string' ? input : pythonRepr(input);
}

/** What FastAPI says when a body does not have the right shape; it quotes the offending input. */
export function invalidFields(problems: readonly FieldProblem[]): ApiError {
  const lines = problems.slice(0, MOST_PROBLEMS).map((problem) => {
    const loc = pythonRepr(problem.loc.join('.'));
    const ctx = problem.ctx === undefined ? '' : `, 'ctx': ${pythonRepr(problem.ctx)}`;
    return `  {'type': '${problem.type}', 'loc': ${loc}, 'msg': ${pythonRepr(problem.msg)}, 'input': ${pythonRepr(shownInput(problem.input))}${ctx}}`;
  });
  if (problems.length > MOST_PROBLEMS) lines.push(`  ...and ${problems.length - MOST_PROBLEMS} more errors`);
  const message = `${problems.length} validation error${problems.length === 1 ? '' : 's'}:\n${lines.join('\n')}`;
  return new ApiError(400, 'Bad Request', message, problems[0]?.loc.join('.') ?? null);
}

export const INTERNAL_ERROR = 'Internal server error';
export const ENGINE_DEAD = 'EngineCore encountered an issue. See stack trace (above) for the root cause.';
