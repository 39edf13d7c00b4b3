import { isObject, parsed } from '../core/json/json.ts';

/** What an error answer says, whichever of the usual shapes it has. */
export interface Said {
  readonly message: string;
  readonly type: string | null;
  readonly param: string | null;
  /** As written: OpenAI has words, most others repeat the status. */
  readonly code: string | number | null;
}

/**
 * Reads an error's body: `{"error": {…}}` as OpenAI and llama.cpp have it (Anthropic's is one of them), `{"error": "words"}`, the fields
 * at the top as SGLang and TensorRT-LLM have them, `{"detail": …}` of FastAPI. null for anything else.
 */
export function readSaid(body: string): Said | null {
  const value = parsed(body);
  if (!isObject(value)) return null;
  const error = value['error'];
  if (typeof error === 'string') return { message: error, type: null, param: null, code: null };
  const fields = isObject(error) ? error : value;
  const message = wordsOf(fields['message'] ?? fields['detail']);
  if (message === null) return null;
  const { type, param, code } = fields;
  return {
    message,
    type: typeof type === 'string' ? type : null,
    param: typeof param === 'string' ? param : null,
    code: typeof code === 'string' || typeof code === 'number' ? code : null,
  };
}

/** FastAPI lists what is wrong with a body, one entry a field. */
function wordsOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value)) return null;
  const found = value.flatMap((each) => (isObject(each) && typeof each['msg'] === 'string' ? [each['msg']] : []));
  return found.length === 0 ? null : found.join('; ');
}
