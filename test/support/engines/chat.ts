import type { StubAnswer, StubRequest } from './stub.ts';

/** What a request for a chat asks, as far as stubs care. */
export function asked({ body }: StubRequest): { stream: boolean; usage: boolean; value: Record<string, unknown> } {
  const value = JSON.parse(body) as Record<string, unknown>;
  const options = value['stream_options'] as Record<string, unknown> | null | undefined;
  return { stream: value['stream'] === true, usage: options?.['include_usage'] === true, value };
}

export function json(value: unknown, status = 200): StubAnswer {
  return { status, body: JSON.stringify(value) };
}

export function event(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}

export const DONE = 'data: [DONE]\n\n';
