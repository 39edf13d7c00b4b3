import type { RawAnswer } from '../support/raw-http.ts';

/** An answer with everything taken out that differs from run to run: ids, times, texts and how many tokens a text had. */
export interface View {
  readonly status: number;
  /** Lines of the head in their order; of most only the name. */
  readonly head: readonly string[];
  /** `json`: one value; `events`: a stream's events, repeats of one shape after each other taken as one; `text`: anything else. */
  readonly body: { readonly json: unknown } | { readonly events: readonly unknown[] } | { readonly text: string };
  /** A cut connection is part of the answer. */
  readonly ending: RawAnswer['ending'];
}

/** Headers whose values matter. */
const FIXED = new Set(['server', 'content-type', 'vary', 'transfer-encoding', 'allow', 'connection', 'www-authenticate']);
/** What a model said. */
const TEXTS = new Set([
  ...['content', 'text', 'reasoning', 'delta', 'arguments', 'partial_json', 'thinking', 'signature', 'token', 'prompt', 'prompt_text'],
  ...['reasoning_content', 'refusal', 'embedding', 'data'],
]);
/** Lists and tables that tokenizers fill. */
const TOKENS = new Set([
  ...['bytes', 'token_ids', 'prompt_token_ids', 'tokens', 'token_strs', 'token_logprobs', 'text_offset', 'prompt_logprobs', 'top_logprobs'],
]);
/** Numbers that are part of the meaning. */
const EXACT = new Set(['index', 'code', 'output_index', 'content_index', 'max_output_tokens', 'max_model_len', 'server_load', 'level']);
/** Numbers of tokens that a request itself decides. */
const COUNTED = new Set(['completion_tokens', 'output_tokens']);
const ID =
  /^(?:chatcmpl|cmpl|resp|msg|rs|fc|call|embd|pool|pooling|score|rerank|modelperm|classify|generative-scoring|tokenize|chatcmpl-tool|embd-)[-_][\w-]{8,}$/;

interface ViewOptions {
  readonly uncounted?: boolean | undefined;
  readonly unordered?: boolean | undefined;
}

export function viewOf(answer: RawAnswer, options: ViewOptions = {}): View {
  return {
    status: answer.status,
    head: answer.headers.map(([name, value]) => headLine(name.toLowerCase(), value)),
    body: bodyOf(answer, options),
    ending: answer.ending,
  };
}

function headLine(name: string, value: string): string {
  if (name === 'endpoint-load-metrics') return `${name}: ${value.replaceAll(/\d+(?:\.\d+)?(?:e-\d+)?/g, '0.0')}`;
  return FIXED.has(name) ? `${name}: ${value}` : name;
}

function bodyOf(answer: RawAnswer, options: ViewOptions): View['body'] {
  const type = answer.headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
  if (type.startsWith('text/event-stream')) return { events: eventsOf(answer.body, options) };
  if (!type.startsWith('application/json')) return { text: textBody(type, answer.body) };
  return { json: parsed(answer.body, options) };
}

/** Pages, figures and vectors are told by what they are; what figures there are, another test compares. */
function textBody(type: string, body: string): string {
  if (type.startsWith('text/html')) return '<html>';
  if (type.startsWith('application/octet-stream')) return '<bytes>';
  return body.startsWith('# HELP') ? '<metrics>' : body;
}

function eventsOf(body: string, options: ViewOptions): unknown[] {
  const events = withoutPace(
    body
      .split('\n\n')
      .filter((event) => event !== '')
      .map((event) => {
        const lines = event.split('\n').map((line): unknown => {
          const json = /^data: (\{.*)$/.exec(line)?.[1];
          return json === undefined ? line : parsed(json, options);
        });
        return lines.length === 1 ? lines[0] : lines;
      }),
  );
  if (!options.unordered) return withoutRepeats(events);
  // A token that is but a part of a character comes as an empty text: which do, and when, is the model's.
  const told = events.filter(
    (event) =>
      !/^\{.*(?:"content":""\}|"text":""),"logprobs":null,"finish_reason":null,(?:"token_ids"|"stop_reason")/.test(JSON.stringify(event)),
  );
  return [...new Set(told.map((event) => JSON.stringify(event)))].toSorted().map((text) => JSON.parse(text) as unknown);
}

/**
 * How many tokens one event brings is the engine's pace: what has come while nobody took it comes as one. Of a count that runs along with
 * the text it matters that it grows.
 */
function withoutPace(events: readonly unknown[]): unknown[] {
  let before = 0;
  return events.map((event) => {
    const { choices, usage } = event as { choices?: unknown; usage?: { completion_tokens?: unknown } | null };
    const count = usage?.completion_tokens;
    if (!Array.isArray(choices) || choices.length === 0 || typeof count !== 'number' || count <= before) return event;
    before = count;
    return { ...(event as object), usage: { ...usage, completion_tokens: '<more>' } };
  });
}

function parsed(text: string, options: ViewOptions): unknown {
  try {
    const numbers = JSON.parse(text, marked as (key: string, value: unknown) => unknown) as unknown;
    return masked('', numbers, options);
  } catch {
    return `no JSON: ${text}`;
  }
}

/** Numbers as they are spelled: Python tells 1 from 1.0. */
function marked(_key: string, value: unknown, context: { source?: string }): unknown {
  return typeof value === 'number' ? new Spelled(context.source ?? String(value)) : value;
}

class Spelled {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

function masked(key: string, value: unknown, options: ViewOptions): unknown {
  if (value instanceof Spelled) return numberOf(key, value.text, options);
  if (typeof value === 'string') return textOf(key, value);
  if (value === null || typeof value !== 'object') return value;
  if (TOKENS.has(key) && (Array.isArray(value) || key === 'top_logprobs'))
    return key === 'top_logprobs' && Array.isArray(value) && isTokenList(value)
      ? withoutRepeats(value.map((item) => masked('', item, options)))
      : '<tokens>';
  // In which order a model finds what it was given to rank is its own affair.
  if (key === 'results' && Array.isArray(value)) return value.map((item) => masked('', item, options)).toSorted(byIndex);
  if (Array.isArray(value)) return withoutRepeats(value.map((item) => masked(key, item, options)));
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, masked(name, item, options)]));
}

function byIndex(one: unknown, other: unknown): number {
  return Number((one as { index: number }).index) - Number((other as { index: number }).index);
}

/** The chat API's `top_logprobs`: objects that name their token. */
function isTokenList(list: readonly unknown[]): boolean {
  return list.length > 0 && list.every((item) => typeof item === 'object' && item !== null && 'token' in item);
}

function numberOf(key: string, text: string, { uncounted }: ViewOptions): string | number {
  if (EXACT.has(key) || (COUNTED.has(key) && !uncounted)) return Number(text);
  return /[.eE]/.test(text) ? '<float>' : '<integer>';
}

function textOf(key: string, text: string): string {
  if (ID.test(text)) return text.replace(/[-_][^-_]*$/, '-<id>');
  if (text === '') return '';
  // How many tokens a vocabulary has is told in refusals.
  if (key === 'message') return text.replace(/(?<=Vocabulary size: |logprobs of |parameter=logprobs, value=)\d{3,}/g, '<vocabulary>');
  if (TEXTS.has(key)) return '<text>';
  return key === 'system_fingerprint' || key === 'owned_by' || key === 'root' || key === 'version' ? `<${key}>` : text;
}

function withoutRepeats(values: readonly unknown[]): unknown[] {
  const texts = values.map((value) => JSON.stringify(value));
  return values.filter((_, at) => texts[at] !== texts[at - 1]);
}
