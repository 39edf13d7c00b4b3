import type { Prompt } from '../workload/prompts.ts';

export type Endpoint = 'chat' | 'completions' | 'embeddings';

/** What is asked, and how. */
export interface Target {
  /** Without a path: http(s)://host:port, or with the one that the API lies below. */
  readonly base: string;
  readonly endpoint: Endpoint;
  readonly model: string;
  readonly stream: boolean;
  readonly headers: Readonly<Record<string, string>>;
  /** Goes into each body, over everything else. */
  readonly extra: Readonly<Record<string, unknown>>;
  /** The longest that a call may take, in milliseconds from when it was sent. */
  readonly timeoutMs: number;
}

const PATHS: Readonly<Record<Endpoint, string>> = {
  chat: '/v1/chat/completions',
  completions: '/v1/completions',
  embeddings: '/v1/embeddings',
};

export function urlOf({ base, endpoint }: Target): URL {
  return new URL(base.replace(/\/(v1\/?)?$/, '') + PATHS[endpoint]);
}

/** The body of a call: as `vllm bench serve` asks, with the counts of a stream at its end. */
export function bodyOf(target: Target, prompt: Prompt): string {
  const { endpoint, model, stream, extra } = target;
  if (endpoint === 'embeddings') return JSON.stringify({ model, input: prompt.text, ...prompt.fields, ...extra });
  const asked = endpoint === 'chat' ? { messages: [{ role: 'user', content: prompt.text }] } : { prompt: prompt.text };
  const length = prompt.outputTokens === null ? {} : { max_tokens: prompt.outputTokens };
  const streams = stream ? { stream: true, stream_options: { include_usage: true } } : {};
  const fields = { ...prompt.fields };
  if (endpoint === 'completions') delete fields['messages'];
  return JSON.stringify({ model, ...asked, ...fields, ...length, ...streams, ...extra });
}
