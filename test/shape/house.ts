/**
 * The plan of the house: every room, ground floor first, and the rooms that it may know. The linter takes its rules from this list
 * (oxlint.config.ts), and house.test.ts holds the import graph against it, so that a new arrow is a line here before it is one in the code.
 */
export interface Room {
  /** A folder, without what lies in folders of its own; or one file that is a room by itself. */
  readonly path: string;
  /** What it is, in one line. */
  readonly idea: string;
  /** Rooms whose files it may import, type imports included. All of them stand earlier in the list. */
  readonly knows: readonly string[];
  /** It decides and does nothing else: no module of Node's, no package that reaches the outside. */
  readonly pure?: true;
  /** Packages that its files must not import. */
  readonly shuns?: readonly string[];
}

const HTTP = ['hono', 'hono/**', '@hono/**', 'undici', 'node:http'];

export const ROOMS: readonly Room[] = [
  { path: 'gateway/core', idea: 'call, reply, worker, errors, clock, chance: what every part means by these words', knows: [] },
  { path: 'gateway/core/bag', idea: 'what is under way, by the thousand', knows: [] },
  { path: 'gateway/core/secrets', idea: 'what must not be shown, and how it is taken out', knows: [] },
  { path: 'gateway/core/log', idea: 'the one log writer', knows: ['gateway/core'] },
  {
    path: 'gateway/core/history',
    idea: 'what has happened, in files that outlive every process',
    knows: ['gateway/core', 'gateway/core/log'],
  },
  { path: 'gateway/config/schema', idea: 'what may be set, and what is wrong with what was', knows: ['gateway/core/secrets'] },
  { path: 'gateway/config/layers', idea: 'file, environment and flags, each a layer', knows: ['gateway/config/schema'] },
  {
    path: 'gateway/config',
    idea: 'load, reload, explain, check',
    knows: ['gateway/config/schema', 'gateway/config/layers', 'gateway/core/secrets'],
  },
  { path: 'gateway/link', idea: 'what gateway and supervisor say to each other', knows: ['gateway/core', 'gateway/config/schema'] },
  { path: 'gateway/vllm', idea: 'the one reader of what a vLLM says, for both sides', knows: ['gateway/core'] },
  { path: 'gateway/openai', idea: 'wire shapes of the API; no server and no client', knows: ['gateway/core'], shuns: HTTP },
  { path: 'gateway/policies/capacity', idea: 'what the workers can take', knows: ['gateway/core'], shuns: HTTP },
  { path: 'gateway/policies/window', idea: 'holds a burst so that it leaves together', knows: ['gateway/core'], shuns: HTTP },
  {
    path: 'gateway/policies/relay',
    idea: 'one attempt at one worker',
    knows: ['gateway/core', 'gateway/openai', 'gateway/vllm'],
    shuns: HTTP,
  },
  {
    path: 'gateway/policies/lost',
    idea: 'calls whose worker ended, until its next life',
    knows: ['gateway/core'],
    shuns: HTTP,
  },
  {
    path: 'gateway/policies/admission',
    idea: 'may this call wait, and for how long?',
    knows: ['gateway/core', 'gateway/policies/capacity'],
    shuns: HTTP,
  },
  {
    path: 'gateway/policies/dispatch',
    idea: 'leave out, balance, relay: once an attempt',
    knows: [
      'gateway/core',
      'gateway/core/bag',
      'gateway/policies/capacity',
      'gateway/policies/lost',
      'gateway/policies/relay',
      'gateway/vllm',
    ],
    shuns: HTTP,
  },
  {
    path: 'gateway/policies',
    idea: 'the thin policies: account, rescue, deadline',
    knows: ['gateway/core', 'gateway/openai'],
    shuns: HTTP,
  },
  { path: 'gateway/workers/wire', idea: 'the socket to a worker', knows: ['gateway/core', 'gateway/vllm'] },
  {
    path: 'gateway/workers',
    idea: 'which workers there are: listed, supervised, scraped',
    knows: ['gateway/core', 'gateway/link', 'gateway/vllm'],
  },
  { path: 'gateway/telemetry/metrics', idea: 'the table of metrics and its page', knows: ['gateway/core', 'gateway/link'] },
  {
    path: 'gateway/telemetry/events',
    idea: 'turns what happens into counters and log lines',
    knows: ['gateway/core', 'gateway/core/history', 'gateway/core/log', 'gateway/link', 'gateway/telemetry/metrics'],
  },
  {
    path: 'gateway/telemetry',
    idea: 'figures for people: stats, probes, the bundle',
    knows: ['gateway/core', 'gateway/core/secrets', 'gateway/link', 'gateway/telemetry/events', 'gateway/telemetry/metrics'],
  },
  {
    path: 'gateway/pipeline.ts',
    idea: 'the policies in their order',
    knows: [
      'gateway/core',
      'gateway/policies',
      'gateway/policies/admission',
      'gateway/policies/capacity',
      'gateway/policies/dispatch',
      'gateway/policies/lost',
      'gateway/policies/window',
    ],
  },
  { path: 'gateway/http/body', idea: 'reads a request body within its limits', knows: ['gateway/core'] },
  {
    path: 'gateway/http',
    idea: 'a request becomes a call, a reply an answer',
    knows: ['gateway/core', 'gateway/core/bag', 'gateway/http/body', 'gateway/openai', 'gateway/policies', 'gateway/policies/window'],
  },
  { path: 'gateway/http/probes', idea: 'probes answered by a thread of its own', knows: ['gateway/core'] },
  {
    path: 'gateway/http/pages',
    idea: 'what the gateway answers by itself: health, metrics, admin',
    knows: [
      'gateway/config/schema',
      'gateway/core',
      'gateway/core/log',
      'gateway/http',
      'gateway/http/probes',
      'gateway/link',
      'gateway/telemetry',
      'gateway/telemetry/metrics',
    ],
  },
  {
    path: 'gateway/app.ts',
    idea: 'every URL on one page',
    knows: ['gateway/core', 'gateway/http', 'gateway/http/pages', 'gateway/openai'],
  },
  {
    path: 'gateway/main.ts',
    idea: 'composition: the only file that sees every part',
    knows: [
      'gateway/app.ts',
      'gateway/config',
      'gateway/config/schema',
      'gateway/core',
      'gateway/core/bag',
      'gateway/core/history',
      'gateway/core/log',
      'gateway/http',
      'gateway/http/body',
      'gateway/http/pages',
      'gateway/http/probes',
      'gateway/link',
      'gateway/pipeline.ts',
      'gateway/policies',
      'gateway/policies/admission',
      'gateway/policies/capacity',
      'gateway/policies/dispatch',
      'gateway/policies/window',
      'gateway/telemetry/events',
      'gateway/telemetry/metrics',
      'gateway/workers',
      'gateway/workers/wire',
    ],
  },

  { path: 'supervisor/flags', idea: 'the flags of vllm serve, as data', knows: ['gateway/config/schema'], pure: true },
  { path: 'supervisor/system', idea: 'processes, ports, files, memory of the host', knows: ['gateway/core'] },
  {
    path: 'supervisor/gpu',
    idea: 'which cards there are, as the driver says',
    knows: ['gateway/core', 'gateway/core/log', 'gateway/link', 'supervisor/system'],
  },
  {
    path: 'supervisor/profile',
    idea: 'reads profiles and matches them to a card',
    knows: ['gateway/config/layers', 'gateway/config/schema', 'gateway/vllm', 'supervisor/flags', 'supervisor/gpu'],
  },
  {
    path: 'supervisor/fit',
    idea: 'does this model fit this card, and how?',
    knows: ['gateway/config/schema', 'supervisor/gpu', 'supervisor/profile'],
    pure: true,
  },
  {
    path: 'supervisor/repository',
    idea: 'what a model is, from its own files: a folder, the cache of the hub, or the hub',
    knows: ['gateway/core', 'supervisor/profile'],
  },
  {
    path: 'supervisor/failure',
    idea: 'why an engine ended, from its log and its exit',
    knows: ['gateway/core', 'gateway/core/secrets', 'supervisor/gpu', 'supervisor/system'],
    pure: true,
  },
  {
    path: 'supervisor/ladder',
    idea: 'which setting to relax, one step at a time',
    knows: [
      'gateway/config/schema',
      'gateway/core',
      'supervisor/failure',
      'supervisor/fit',
      'supervisor/gpu',
      'supervisor/profile',
      'supervisor/system',
    ],
    pure: true,
  },
  {
    path: 'supervisor/engine',
    idea: 'one process of the engine: its command line, child and record',
    knows: [
      'gateway/config/schema',
      'gateway/core',
      'gateway/core/secrets',
      'supervisor/failure',
      'supervisor/flags',
      'supervisor/gpu',
      'supervisor/profile',
      'supervisor/system',
    ],
  },
  {
    path: 'supervisor/machine',
    idea: "a worker's life as a pure function",
    knows: ['gateway/core', 'gateway/vllm', 'supervisor/failure', 'supervisor/ladder', 'supervisor/system'],
    pure: true,
  },
  {
    path: 'supervisor/slot',
    idea: 'which model has which card, as pure functions',
    knows: ['gateway/link', 'supervisor/failure', 'supervisor/machine'],
    pure: true,
  },
  {
    path: 'supervisor/plan',
    idea: 'what to launch where',
    knows: [
      'gateway/config/schema',
      'gateway/core',
      'gateway/core/log',
      'gateway/link',
      'supervisor/engine',
      'supervisor/fit',
      'supervisor/flags',
      'supervisor/gpu',
      'supervisor/ladder',
      'supervisor/profile',
      'supervisor/repository',
      'supervisor/system',
    ],
  },
  {
    path: 'supervisor/worker',
    idea: 'performs what the machine decides, for one worker',
    knows: [
      'gateway/config/schema',
      'gateway/core',
      'gateway/core/log',
      'gateway/core/secrets',
      'gateway/vllm',
      'supervisor/engine',
      'supervisor/failure',
      'supervisor/fit',
      'supervisor/ladder',
      'supervisor/machine',
      'supervisor/plan',
      'supervisor/system',
    ],
  },
  {
    path: 'supervisor/fleet',
    idea: 'all workers, and performs what the slots decide',
    knows: [
      'gateway/core',
      'gateway/core/log',
      'gateway/link',
      'supervisor/engine',
      'supervisor/failure',
      'supervisor/gpu',
      'supervisor/ladder',
      'supervisor/machine',
      'supervisor/plan',
      'supervisor/slot',
      'supervisor/system',
      'supervisor/worker',
    ],
  },
  { path: 'supervisor/control', idea: 'the control API', knows: ['gateway/core', 'gateway/link', 'supervisor/slot'] },
  {
    path: 'supervisor/doctor',
    idea: 'says what would be launched, and starts nothing',
    knows: [
      'gateway/config/schema',
      'gateway/core',
      'gateway/core/secrets',
      'gateway/link',
      'gateway/vllm',
      'supervisor/engine',
      'supervisor/fit',
      'supervisor/gpu',
      'supervisor/ladder',
      'supervisor/plan',
      'supervisor/profile',
      'supervisor/system',
      'supervisor/worker',
    ],
  },
  {
    path: 'supervisor/main.ts',
    idea: 'composition',
    knows: [
      'gateway/config',
      'gateway/config/schema',
      'gateway/core',
      'gateway/core/history',
      'gateway/core/log',
      'gateway/link',
      'supervisor/control',
      'supervisor/engine',
      'supervisor/fleet',
      'supervisor/gpu',
      'supervisor/plan',
      'supervisor/profile',
      'supervisor/system',
      'supervisor/worker',
    ],
  },

  { path: 'supervisor/sim/python', idea: "Python's spelling of values, and its words for broken JSON", knows: [] },
  { path: 'supervisor/sim/text', idea: 'made-up text, its tokens and its vectors', knows: [] },
  { path: 'supervisor/sim/model', idea: 'models that can be pretended', knows: [] },
  { path: 'supervisor/sim/card', idea: 'pretended cards and their memory', knows: ['supervisor/sim/model', 'supervisor/sim/python'] },
  {
    path: 'supervisor/sim/settings',
    idea: 'flags, knobs and faults',
    knows: ['supervisor/flags', 'supervisor/sim/card', 'supervisor/sim/model'],
  },
  { path: 'supervisor/sim/figures', idea: 'a page of metrics, and what the front end counts', knows: [] },
  {
    path: 'supervisor/sim/engine',
    idea: 'the step scheduler and its counters',
    knows: ['supervisor/sim/figures', 'supervisor/sim/card', 'supervisor/sim/model', 'supervisor/sim/settings', 'supervisor/sim/text'],
  },
  { path: 'supervisor/sim/body', idea: "vLLM's own models of what a body may hold", knows: ['supervisor/sim/python'] },
  {
    path: 'supervisor/sim/request',
    idea: 'what all of its endpoints share',
    knows: [
      'supervisor/sim/body',
      'supervisor/sim/card',
      'supervisor/sim/engine',
      'supervisor/sim/python',
      'supervisor/sim/settings',
      'supervisor/sim/text',
    ],
  },
  {
    path: 'supervisor/sim/chat',
    idea: 'a conversation and its answer, whichever API it came by',
    knows: ['supervisor/sim/engine', 'supervisor/sim/model', 'supervisor/sim/request', 'supervisor/sim/text'],
  },
  {
    path: 'supervisor/sim/pooling',
    idea: 'vectors, classes and scores',
    knows: ['supervisor/sim/chat', 'supervisor/sim/model', 'supervisor/sim/python', 'supervisor/sim/request', 'supervisor/sim/text'],
  },
  {
    path: 'supervisor/sim/responses',
    idea: 'the Responses API',
    knows: ['supervisor/sim/chat', 'supervisor/sim/engine', 'supervisor/sim/python', 'supervisor/sim/request'],
  },
  {
    path: 'supervisor/sim/http',
    idea: 'its endpoints',
    knows: [
      'supervisor/sim/body',
      'supervisor/sim/chat',
      'supervisor/sim/engine',
      'supervisor/sim/pooling',
      'supervisor/sim/python',
      'supervisor/sim/request',
      'supervisor/sim/responses',
      'supervisor/sim/settings',
      'supervisor/sim/text',
    ],
  },
  {
    path: 'supervisor/sim/start',
    idea: 'its start-up, line by line, and its processes',
    knows: ['supervisor/sim/card', 'supervisor/sim/engine', 'supervisor/sim/figures', 'supervisor/sim/http', 'supervisor/sim/settings'],
  },
  {
    path: 'supervisor/sim',
    idea: 'its two programs: vLLM and nvidia-smi',
    knows: ['supervisor/sim/card', 'supervisor/sim/settings', 'supervisor/sim/start'],
  },

  {
    path: 'scripts/commands/past',
    idea: 'what has happened, and what engines have printed, for a terminal',
    knows: ['gateway/core/history', 'gateway/core/secrets'],
  },
  {
    path: 'scripts/commands/keeping',
    idea: 'the supervisor as a process: started, listened to, ended',
    knows: ['gateway/config', 'gateway/config/schema', 'gateway/core', 'gateway/core/log', 'gateway/link', 'supervisor/fleet'],
  },
  {
    path: 'scripts/commands/live',
    idea: 'what a terminal is shown while it changes',
    knows: ['gateway/core', 'gateway/core/log', 'gateway/http/pages'],
  },
  {
    path: 'scripts/commands',
    idea: 'the command line: a program each',
    knows: [
      'gateway/config',
      'gateway/config/layers',
      'gateway/config/schema',
      'gateway/core',
      'gateway/core/history',
      'gateway/core/log',
      'gateway/http/pages',
      'gateway/link',
      'gateway/main.ts',
      'gateway/telemetry/events',
      'scripts/commands/keeping',
      'scripts/commands/live',
      'scripts/commands/past',
      'supervisor/doctor',
      'supervisor/gpu',
      'supervisor/main.ts',
      'supervisor/plan',
      'supervisor/profile',
      'supervisor/sim',
      'supervisor/system',
    ],
  },
  { path: 'scripts/vllm', idea: 'makes the environment of a real vLLM for CPUs, for tests alone', knows: [] },
  { path: 'scripts', idea: 'the headgate command, benchmarks, packing', knows: ['scripts/commands'] },
];

/** The room that a file stands in, by its path from the root; null for what is no part of the house (tests, settings of tools). */
export function roomOf(file: string): Room | null {
  const folder = file.slice(0, file.lastIndexOf('/'));
  return ROOMS.find(({ path }) => path === file) ?? ROOMS.find(({ path }) => path === folder) ?? null;
}

/** Files of over 300 lines, and why each is one. */
export const LONG_FILES: Readonly<Record<string, string>> = {
  'gateway/policies/relay/relay.ts': 'one state machine, whose states need each other',
  'gateway/main.ts': 'the composition: a list of parts, each handed to the next',
  'supervisor/flags/flag-table.ts': 'data',
};
