import type { Call } from '../../core/call.ts';

/** Events with which vLLM begins a stream before the model has said anything, by path: of a chat it is one for each choice. */
const BEGINNING: Readonly<Record<string, number>> = { '/v1/chat/completions': 1, '/v1/messages': 2, '/v1/responses': 4 };

/** Of `events` that a stream has brought, `closing` of which say how it ended: those that carry text, a token each as a rule. */
export function textEvents({ route, peek }: Call, events: number, closing: number): number {
  return Math.max(0, events - closing - (BEGINNING[route.path] ?? 0) * peek.choices);
}
