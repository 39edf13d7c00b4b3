import { Ending, type Outcome, type Reply } from '../../gateway/core/reply.ts';

/** A whole answer, as JSON. */
export function jsonReply(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  const outcome: Outcome = { kind: 'complete', status };
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: { kind: 'bytes', bytes: JSON.stringify(value) },
    relayed: false,
    ended: new Ending(),
    outcome: () => outcome,
  };
}
