import type { Found, Pair } from './compare.ts';

/** A difference that is meant to be. */
interface Meant {
  readonly pair: Pair;
  readonly matches: (found: Found) => boolean;
  readonly reason: string;
}

const OWN_WORDS =
  /^(?:Invalid value for|Missing required parameter|We could not parse|The model `|you must provide|The request body|The model does not support |The worker is too busy)/i;

/** What the gateway does on purpose. At most ten; the simulation has none, it is to answer as the real one does. */
export const MEANT: readonly Meant[] = [
  {
    pair: 'gateway',
    matches: ({ group, actual }) => group === 'json' && OWN_WORDS.test(actual),
    reason: 'What no engine would take, or has room for, the gateway refuses with the same status, in words of its own.',
  },
  {
    pair: 'gateway',
    matches: ({ expected, actual }) => /^200 \{"events":\[(?:\{"error"|\["event: error")/.test(expected) && actual.startsWith('400 '),
    reason: 'An error that is the first event of a stream becomes the status of the answer.',
  },
  {
    pair: 'gateway',
    matches: ({ group, expected }) =>
      group === 'ending closed, not complete' || (group === 'stream: end, not error' && expected === 'nothing'),
    reason: 'A stream that the engine cuts ends with an event that says so.',
  },
  {
    pair: 'gateway',
    matches: ({ actual }) => actual.startsWith('415 '),
    reason: 'A body of the wrong media type is 415, which vLLM calls 400, or 404 where its model has no such route.',
  },
  {
    pair: 'gateway',
    matches: ({ actual }) => /^404 .*(?:Unknown request URL|not offered here)/.test(actual),
    reason: 'Routes that are no API of OpenAI or Anthropic are not relayed.',
  },
  {
    pair: 'gateway',
    matches: ({ expected, actual }) => /^400 .*Unsupported Media Type/.test(expected) && actual.startsWith('200 '),
    reason: 'A media type that ends in +json is JSON.',
  },
  {
    pair: 'gateway',
    matches: ({ group }) => group === 'json.id',
    reason: 'The engine is told the id under which the gateway keeps its books.',
  },
  {
    pair: 'gateway',
    matches: ({ group }) => group.startsWith('head: -endpoint-load-metrics'),
    reason: 'The load of one engine is no business of a client.',
  },
  {
    pair: 'gateway',
    matches: ({ expected, actual }) =>
      expected.startsWith('200 ') && /^400 .*Invalid value for 'stream': it must be a boolean, but it is a string/.test(actual),
    reason: 'The gateway has to know whether to stream, and does not guess what a string means.',
  },
  {
    pair: 'gateway',
    matches: ({ group, expected, actual }) =>
      group === 'json' && expected.includes("'loc': 'body.model'") && !actual.includes("'body.model'"),
    reason: 'Where vLLM insists on the name of a model, the gateway puts its default in.',
  },
];

export function reasonOf(found: Found): string | null {
  return MEANT.find(({ pair, matches }) => pair === found.pair && matches(found))?.reason ?? null;
}
