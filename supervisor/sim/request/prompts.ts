import { encode } from '../text/tokenizer.ts';
import { badRequest } from './api-error.ts';

function isIds(value: unknown): value is number[] {
  return Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'number');
}

/** The prompts of a body: text, texts, ids or lists of ids. Throws ApiError. */
export function promptsOf(value: unknown, field: string): number[][] {
  if (typeof value === 'string') return [encode(value)];
  if (isIds(value)) return [value];
  if (Array.isArray(value) && value.length > 0) {
    const lists = value as unknown[];
    if (lists.every((item) => typeof item === 'string')) return lists.map((item) => encode(item));
    if (lists.every(isIds)) return lists;
  }
  throw badRequest(`Invalid ${field}: it must be a string, a list of strings, a list of token ids or a list of such lists.`, field);
}
