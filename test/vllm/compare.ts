import { ask, type Asked } from './ask.ts';
import type { Case } from './case.ts';
import { type Difference, differences } from './difference.ts';
import { type View, viewOf } from './view.ts';

/** Which two answers were held against each other. */
export type Pair =
  /** The real engine's and the simulation's. */
  | 'simulation'
  /** The real engine's, and the same engine's through the gateway. */
  | 'gateway'
  /** Through the gateway, the real engine's and the simulation's. */
  | 'gateway, simulation';

export interface Found extends Difference {
  readonly pair: Pair;
  readonly case: string;
}

/** Ports of the four who are asked; null for one that is left out. */
export interface Ports {
  readonly vllm: number;
  readonly simulation: number | null;
  readonly vllmGateway: number | null;
  readonly simulationGateway: number | null;
}

export interface Compared {
  readonly found: readonly Found[];
  /** What the real engine answered; null for nothing. */
  readonly view: View | null;
}

/** Asks all four the same, one after the other, and says in what the answers differ. */
export async function compareCase(request: Case, ports: Ports): Promise<Compared> {
  const [real, simulated] = await Promise.all([ask(ports.vllm, request), askIf(ports.simulation, request)]);
  const [relayed, pretended] = request.direct
    ? [null, null]
    : await Promise.all([askIf(ports.vllmGateway, request), askIf(ports.simulationGateway, request)]);
  const found = [
    ...between('simulation', request, real, simulated),
    ...between('gateway', request, real, relayed),
    ...between('gateway, simulation', request, relayed, pretended),
  ];
  return { found, view: 'nothing' in real ? null : viewOf(real, request) };
}

function askIf(port: number | null, request: Case): Promise<Asked> | null {
  return port === null ? null : ask(port, request);
}

function between(pair: Pair, request: Case, expected: Asked | null, actual: Asked | null): Found[] {
  if (expected === null || actual === null) return [];
  const all =
    'nothing' in expected || 'nothing' in actual
      ? silence(expected, actual)
      : seen(pair, viewOf(expected, request), viewOf(actual, request));
  return all.map((difference) => ({ ...difference, pair, case: request.name }));
}

/** In what an answer of the simulation differs from a recorded one. */
export function againstRecorded(request: Case, expected: View, actual: Asked): Found[] {
  const all =
    'nothing' in actual
      ? [{ group: 'no answer', expected: `status ${expected.status}`, actual: actual.nothing }]
      : differences(expected, viewOf(actual, request));
  return all.map((difference) => ({ ...difference, pair: 'simulation', case: request.name }));
}

function silence(expected: Asked, actual: Asked): Difference[] {
  const words = (answer: Asked): string => ('nothing' in answer ? answer.nothing : `status ${answer.status}`);
  if ('nothing' in expected && 'nothing' in actual) return [];
  return [{ group: 'no answer', expected: words(expected), actual: words(actual) }];
}

/** The gateway writes heads and errors of its own: of it only what it passes on is compared. */
function seen(pair: Pair, expected: View, actual: View): Difference[] {
  if (pair !== 'gateway') return differences(expected, actual);
  return differences(relayedPart(expected), relayedPart(actual));
}

function relayedPart(view: View): View {
  const head = view.head.filter((line) => line.startsWith('content-type') || line.startsWith('endpoint-load-metrics'));
  const { body } = view;
  const error = 'json' in body && view.status >= 400 ? errorMessage(body.json) : null;
  return { ...view, head, body: error === null ? body : { json: error } };
}

/** The words of an error, whatever shape they come in. */
function errorMessage(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  const { error, detail } = body as { error?: unknown; detail?: unknown };
  if (typeof error === 'object' && error !== null && 'message' in error) return error.message;
  return error ?? detail ?? body;
}
