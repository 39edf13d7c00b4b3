import type { Sim } from '../engine/sim.ts';
import { VOCABULARY_SIZE } from '../text/tokenizer.ts';
import { type ApiError, badRequest, badValue } from './api-error.ts';
import type { Exchange } from './exchange.ts';
import { isObject, type JsonObject } from './fields.ts';

const JSON_TYPES = ['string', 'number', 'integer', 'boolean', 'object', 'array', 'null'];

/**
 * What vLLM's front end lets pass and its engine refuses as the request is added: by then the head of a stream has been sent, so that the
 * refusal is an event of a 200. null: it is taken. Of grammars only such faults are found as no parser would take.
 */
export function engineRefusal(
  sim: Sim,
  body: JsonObject,
  topLogprobs: number | null,
  prompts: readonly (readonly number[])[] = [],
): ApiError | null {
  return logprobsRefusal(sim, topLogprobs) ?? vocabularyRefusal(body, prompts) ?? budgetRefusal(sim, body) ?? constraintRefusal(body);
}

/** Sends a stream whose only event is the refusal. */
export function refuseInStream(exchange: Exchange, { message, type, param, status }: ApiError): void {
  const stream = exchange.stream();
  const words = [JSON.stringify(message), JSON.stringify(type), JSON.stringify(param)] as const;
  stream.event(`data: {"error": {"message": ${words[0]}, "type": ${words[1]}, "param": ${words[2]}, "code": ${status}}}\n\n`);
  stream.event('data: [DONE]\n\n');
  stream.end();
}

function logprobsRefusal(sim: Sim, asked: number | null): ApiError | null {
  if (asked === null || (asked >= 0 && asked <= sim.settings.maxLogprobs)) return null;
  // A negative number means all of them.
  const count = asked < 0 ? VOCABULARY_SIZE : asked;
  return badValue(
    `Requested sample logprobs of ${count}, which is greater than max allowed: ${sim.settings.maxLogprobs}`,
    'logprobs',
    String(count),
  );
}

/** Of ids that no token has. */
export function vocabularyRefusal(body: JsonObject, prompts: readonly (readonly number[])[]): ApiError | null {
  const { logit_bias: bias, allowed_token_ids: allowed, stop_token_ids: stops } = body;
  const outside = (ids: readonly unknown[]): number[] => ids.map(Number).filter((id) => id >= VOCABULARY_SIZE || id < 0);
  const listed = (field: string, ids: readonly unknown[]): ApiError | null => {
    const bad = outside(ids);
    if (bad.length === 0) return null;
    const shown = `[${bad.join(', ')}]`;
    return badValue(`token_id(s) ${shown} in ${field} contain out-of-vocab token ids. Vocabulary size: ${VOCABULARY_SIZE}`, field, shown);
  };
  if (Array.isArray(allowed) && allowed.length === 0) {
    return badValue('allowed_token_ids is not None and empty!', 'allowed_token_ids', '[]');
  }
  if (Array.isArray(allowed) && outside(allowed).length > 0) {
    return badValue('allowed_token_ids contains out-of-vocab token id!', 'allowed_token_ids', `[${allowed.join(', ')}]`);
  }
  const stranger = prompts.flat().find((id) => id >= VOCABULARY_SIZE);
  if (stranger !== undefined) return badRequest(`Token id ${stranger} is out of vocabulary`);
  return (
    (isObject(bias) ? listed('logit_bias', Object.keys(bias)) : null) ?? (Array.isArray(stops) ? listed('stop_token_ids', stops) : null)
  );
}

function budgetRefusal(sim: Sim, body: JsonObject): ApiError | null {
  if (typeof body['thinking_token_budget'] !== 'number' || sim.settings.reasoningParser !== '') return null;
  return badRequest(
    'thinking_token_budget is set but reasoning_config is not configured. Please set --reasoning-parser and/or --reasoning-config to use thinking_token_budget.',
  );
}

function constraintRefusal(body: JsonObject): ApiError | null {
  const format = body['response_format'];
  const named =
    isObject(format) && format['type'] === 'json_schema' && isObject(format['json_schema']) ? format['json_schema']['schema'] : null;
  const { json, regex, choice, grammar } = isObject(body['structured_outputs']) ? body['structured_outputs'] : {};
  if (typeof json === 'string' && !isJson(json)) return badRequest('Invalid JSON grammar specification.');
  const schema = typeof json === 'string' ? (JSON.parse(json) as unknown) : (json ?? named);
  const type = unknownType(schema);
  if (type !== null) return badRequest(`Grammar error: Invalid type: ${type}`);
  if (Array.isArray(choice) && choice.length === 0) return badRequest("Choice '[]' cannot be an empty list");
  if (typeof regex === 'string' && !isRegex(regex)) return badRequest(`Grammar error: ${regexProblem(regex)}`);
  if (typeof grammar === 'string' && count(grammar, '(') > count(grammar, ')')) {
    return badRequest(
      `Invalid grammar specification: Failed to convert the grammar from GBNF to Lark: Expected ')' at line 1, '${grammar}' ^ ''`,
    );
  }
  return null;
}

/** A `type` in a schema, at any depth, that JSON Schema does not know. */
function unknownType(schema: unknown): string | null {
  if (!isObject(schema)) return null;
  const { type, properties, items } = schema;
  if (typeof type === 'string' && !JSON_TYPES.includes(type)) return type;
  const inner = [...(isObject(properties) ? Object.values(properties) : []), items];
  for (const one of inner) {
    const found = unknownType(one);
    if (found !== null) return found;
  }
  return null;
}

/** In the words of the engine's regex parser, for a group that is not closed. */
function regexProblem(regex: string): string {
  const mark = ' '.repeat(Math.max(0, regex.indexOf('(')));
  return (
    `at 1(8): invalid regex ${JSON.stringify(regex)} (in regex): regex parse error:\n    ${regex}\n    ${mark}^\nerror: unclosed group\n` +
    `   1 | start: /${regex}/\n              ^`
  );
}

function isRegex(text: string): boolean {
  try {
    return new RegExp(text, 'u') instanceof RegExp;
  } catch {
    try {
      return new RegExp(text) instanceof RegExp;
    } catch {
      return false;
    }
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
