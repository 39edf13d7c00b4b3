import { type FieldProblem, problemText } from '../body/problem.ts';

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

/** What FastAPI says when a body does not have the right shape. */
export function invalidFields(problems: readonly FieldProblem[]): ApiError {
  return new ApiError(400, 'Bad Request', problemText(problems), problems[0]?.loc.join('.') ?? null);
}

export const INTERNAL_ERROR = 'Internal server error';
export const ENGINE_DEAD = 'EngineCore encountered an issue. See stack trace (above) for the root cause.';
