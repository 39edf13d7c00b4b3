/** A way in which an engine is started. Each case belongs to one, and one engine at a time runs. */
export type SceneName = 'plain' | 'tools' | 'pooling' | 'busy';

/** One request of the list that goes to every engine. */
export interface Case {
  /** In a scene no other has it. */
  readonly name: string;
  readonly path: string;
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is, instead of `body`. */
  readonly raw?: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** How many tokens there are is up to the model: they are not compared. */
  readonly uncounted?: boolean;
  /** Events of several choices come in an order that differs from run to run: each is compared, their order is not. */
  readonly unordered?: boolean;
  /** The gateway answers this by itself, or not at all: only the engines are compared. */
  readonly direct?: boolean;
}

export const MESSAGES = [{ role: 'user', content: 'hello' }];
export const CHAT_PATH = '/v1/chat/completions';
export const COMPLETIONS_PATH = '/v1/completions';
export const RESPONSES_PATH = '/v1/responses';
export const MESSAGES_PATH = '/v1/messages';

type Fields = Readonly<Record<string, unknown>>;
type Options = Partial<Omit<Case, 'name' | 'path' | 'body'>>;

/** Six tokens at temperature 0, so that every engine says as much. */
export function chat(name: string, fields: Fields = {}, options: Options = {}): Case {
  return {
    name,
    path: CHAT_PATH,
    body: { model: 'tiny', messages: MESSAGES, max_tokens: 6, temperature: 0, ignore_eos: true, ...fields },
    ...options,
  };
}

export function completion(name: string, fields: Fields = {}, options: Options = {}): Case {
  return {
    name,
    path: COMPLETIONS_PATH,
    body: { model: 'tiny', prompt: 'hello', max_tokens: 6, temperature: 0, ignore_eos: true, ...fields },
    ...options,
  };
}

export function response(name: string, fields: Fields = {}, options: Options = {}): Case {
  return {
    name,
    path: RESPONSES_PATH,
    body: { model: 'tiny', input: 'hello', max_output_tokens: 6, temperature: 0, ignore_eos: true, ...fields },
    ...options,
  };
}

export function message(name: string, fields: Fields = {}, options: Options = {}): Case {
  return { name, path: MESSAGES_PATH, body: { model: 'tiny', messages: MESSAGES, max_tokens: 6, temperature: 0, ...fields }, ...options };
}

/** The same request, whole and as a stream. */
export function bothWays(make: typeof chat, name: string, fields: Fields = {}, options: Options = {}): Case[] {
  return [make(name, fields, options), make(`${name}-stream`, { ...fields, stream: true }, options)];
}
