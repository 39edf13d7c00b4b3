/** What is compared of a line of results. */
export interface OutputLine {
  readonly customId: string;
  /** It was not answered as asked: `text` says why. */
  readonly isFailed: boolean;
  readonly model: string | null;
  readonly promptTokens: number | null;
  readonly completionTokens: number | null;
  /** Of its first choice. */
  readonly finish: string | null;
  readonly text: string;
}

type Json = { readonly [name: string]: unknown };

/**
 * Reads a line of an output or error file of batches, or one that `vllm run-batch` wrote: that tells of failures by the status and puts the
 * error beside the response. null: it is none of these.
 */
export function outputLine(bytes: Buffer): OutputLine | null {
  const line = parsed(bytes);
  const customId = line?.['custom_id'];
  if (line === null || typeof customId !== 'string' || !('response' in line || 'error' in line)) return null;
  const response = objectOf(line['response']);
  const status = response?.['status_code'];
  const body = objectOf(response?.['body']);
  const isFailed = body === null || line['error'] != null || (typeof status === 'number' && (status < 200 || status > 299));
  if (isFailed) {
    const error = line['error'] ?? body?.['error'] ?? response?.['body'];
    const none = { model: null, promptTokens: null, completionTokens: null, finish: null };
    return { customId, isFailed, ...none, text: errorText(typeof status === 'number' && status !== 200 ? status : null, error) };
  }
  const usage = objectOf(body['usage']);
  return {
    customId,
    isFailed,
    model: textOrNull(body['model']),
    promptTokens: countOf(usage?.['prompt_tokens'] ?? usage?.['input_tokens']),
    completionTokens: countOf(usage?.['completion_tokens'] ?? usage?.['output_tokens']),
    finish: finishOf(body),
    text: answerText(body),
  };
}

function parsed(bytes: Buffer): Json | null {
  try {
    return objectOf(JSON.parse(bytes.toString('utf8')));
  } catch {
    return null;
  }
}

/** What a model said, or the data of an answer that is no text. */
function answerText(body: Json): string {
  const [choices, output] = [body['choices'], body['output']];
  if (Array.isArray(choices)) return choices.map((choice) => choiceText(objectOf(choice))).join(BETWEEN);
  if (Array.isArray(output)) return output.flatMap((item) => itemText(objectOf(item)) ?? []).join(BETWEEN);
  return JSON.stringify(body['data'] ?? body['results'] ?? body);
}

const BETWEEN = '\n\n';

function choiceText(choice: Json | null): string {
  const message = objectOf(choice?.['message']);
  const calls = message?.['tool_calls'];
  const said = message === null ? choice?.['text'] : (message['content'] ?? message['refusal']);
  const called = Array.isArray(calls) ? calls.map((call) => callText(objectOf(objectOf(call)?.['function']))) : [];
  return [...(said == null || said === '' ? [] : [plain(said)]), ...called].join(BETWEEN);
}

/** null: it is no part of the answer. */
function itemText(item: Json | null): string | null {
  if (item?.['type'] === 'function_call') return callText(item);
  const content = item?.['content'];
  if (item?.['type'] !== 'message' || !Array.isArray(content)) return null;
  return content.map((part) => plain(objectOf(part)?.['text'] ?? objectOf(part)?.['refusal'] ?? '')).join('');
}

function callText(call: Json | null): string {
  return `${plain(call?.['name'])}(${plain(call?.['arguments'])})`;
}

function finishOf(body: Json): string | null {
  const choices = body['choices'];
  if (Array.isArray(choices)) return textOrNull(objectOf(choices[0])?.['finish_reason']);
  return Array.isArray(body['output']) ? textOrNull(body['status']) : null;
}

function errorText(status: number | null, error: unknown): string {
  const outer = objectOf(error);
  const inner = objectOf(outer?.['error']) ?? outer;
  const said = typeof error === 'string' ? error : inner === null ? 'no answer' : plain(inner['message'] ?? inner);
  const code = textOrNull(inner?.['code']) ?? textOrNull(inner?.['type']);
  return [status, code, said].filter((part) => part !== null).join(' ');
}

function objectOf(value: unknown): Json | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : null;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

function plain(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}
