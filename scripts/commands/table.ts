import { SETTINGS_FLAGS } from '../../gateway/config/layers/flags.ts';
import { VERSION } from '../../gateway/core/version.ts';

/** One program of the `headgate` command. Its code is loaded only when it runs. */
export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  /** Flags of its own, and what each does. */
  readonly flags: readonly (readonly [string, string])[];
  /** The flags of the settings that matter to it, by name. The others are taken too: one line serves every command. */
  readonly settings: readonly string[];
  /** The program reads --help itself. */
  readonly ownHelp?: boolean;
  /** @returns the exit code */
  run(argv: readonly string[]): Promise<number>;
}

const ALL = SETTINGS_FLAGS.map(({ name }) => name);
/** What decides where the running gateway is found. */
const WHERE = ['config', 'host', 'port'] as const;
const LAUNCH = ['config', 'model', 'profile', 'tuning', 'engine'] as const;

export const COMMANDS: readonly Command[] = [
  {
    name: 'serve',
    usage: 'serve [FLAGS]',
    summary: 'Gateway and supervisor (the default command).',
    flags: [],
    settings: ALL,
    run: async (argv) => (await import('./serve.ts')).serve(argv, 'serve'),
  },
  {
    name: 'gateway',
    usage: 'gateway --worker URL | --supervised [FLAGS]',
    summary: 'The gateway only, in front of vLLM servers that already run, or of those of a supervisor that runs by itself.',
    flags: [['--supervised', 'in front of the workers of "headgate supervise" with the same settings; it may be started before or after']],
    settings: ['config', 'host', 'port', 'model', 'window-ms', 'worker'],
    run: async (argv) => (await import('./serve.ts')).serve(argv, 'gateway'),
  },
  {
    name: 'supervise',
    usage: 'supervise [--stop [--leave-engines]] [FLAGS]',
    summary: 'The supervisor only: launches vLLM and keeps it alive.',
    flags: [
      ['--stop', 'tells the one that runs here to stop its engines and itself'],
      ['--leave-engines', 'with --stop: its engines go on, and the next supervisor takes them over (an upgrade; as does the signal USR2)'],
    ],
    settings: LAUNCH,
    run: async (argv) => (await import('./supervise.ts')).supervise(argv),
  },
  {
    name: 'check',
    usage: 'check [FLAGS]',
    summary: 'Validates the settings and profiles; says what is wrong as file:line:col, and warns of models that cannot run here.',
    flags: [],
    settings: ALL,
    run: async (argv) => (await import('./check.ts')).check(argv),
  },
  {
    name: 'explain',
    usage: 'explain [SECTION] [FLAGS]',
    summary: 'Shows the effective settings and where each comes from, all or those of a section (batch_window); secrets are hidden.',
    flags: [],
    settings: ALL,
    run: async (argv) => (await import('./explain.ts')).explain(argv),
  },
  {
    name: 'doctor',
    usage: 'doctor [--json] [FLAGS]',
    summary:
      'What would be launched here and whether it fits: GPU, driver, vLLM, profile, models, command; or, before workers of others, how these are. Starts nothing.',
    flags: [['--json', 'as JSON']],
    settings: LAUNCH,
    run: async (argv) => (await import('./doctor.ts')).doctor(argv),
  },
  {
    name: 'status',
    usage: 'status [--json] [--watch] [FLAGS]',
    summary: 'Workers, queue and breakers of the running gateway.',
    flags: [
      ['--json', 'as JSON'],
      ['--watch', 'again every second, until interrupted; waits for a gateway that is not there'],
    ],
    settings: WHERE,
    run: async (argv) => (await import('./status.ts')).status(argv),
  },
  {
    name: 'events',
    usage: 'events [--since 12h] [--worker ID] [--json] [FLAGS]',
    summary: 'What has happened here: starts, failures, what was relaxed, swaps, breakers, reloads, refusals. Also while nothing runs.',
    flags: [
      ['--since TIME', 'from then on: 90m, 12h, 7d or an ISO time (default 24h)'],
      ['--worker ID', 'of this worker only'],
      ['--json', 'a JSON object a line'],
    ],
    settings: ['config'],
    run: async (argv) => (await import('./events.ts')).events(argv),
  },
  {
    name: 'logs',
    usage: 'logs [WORKER …] [--since TIME] [--follow] [FLAGS]',
    summary: 'What gateway, supervisor and engines have said, by time, or a WORKER by its engine. Also while nothing runs.',
    flags: [
      ['--since TIME', 'all since then: 90m, 12h, 7d or an ISO time; with WORKER also what is said of it'],
      ['--follow', 'and what comes, until interrupted'],
      ['--worker W', 'what its engine has printed, and what gateway and supervisor say of it'],
      ['--request ID', 'one request, by its id or that of its trace, and what was said while it ran'],
      ['--lines N', 'how many of the last lines (default 200; with --since all)'],
      ['--failed', 'engines alone: of the last start that failed'],
      ['--previous', 'engines alone: of the start before this one'],
      ['--json', 'a line of JSON each'],
    ],
    settings: ['config'],
    run: async (argv) => (await import('./logs.ts')).logs(argv),
  },
  {
    name: 'bundle',
    usage: 'bundle [-o FILE] [FLAGS]',
    summary: 'One file to attach to an issue, without keys, addresses and prompts. Also while nothing runs, with what is on record.',
    flags: [['-o FILE', 'into this file (default: headgate-bundle-TIME.json here); - is standard output']],
    settings: WHERE,
    run: async (argv) => (await import('./bundle.ts')).bundle(argv),
  },
  {
    name: 'key',
    usage: 'key new NAME | list | check [FLAGS]',
    summary: 'Makes a key for a client, tells which there are, or whose the key on standard input is.',
    flags: [
      ['--models A,B*', 'new: models it may use, by id, alias or pattern (default: all)'],
      ['--expires TIME', 'new: until when: 90d, a day or an ISO time (default: for ever)'],
      ['--batch', 'new: all its calls are of the lower class'],
      ['--admin', 'new: it opens /admin, /debug and /metrics too'],
      ['--json', 'new, list: as JSON'],
    ],
    settings: ['config'],
    run: async (argv) => (await import('./key.ts')).key(argv),
  },
  {
    name: 'usage',
    usage: 'usage [--key NAME] [--since 24h] [--json] [FLAGS]',
    summary: 'Who used what of the running gateway: requests and tokens by key and model, also of before its last restart.',
    flags: [
      ['--key NAME', 'of this key only'],
      ['--since TIME', 'from then on, in whole hours: 30m, 24h, 7d, a day or an ISO time (default 24h)'],
      ['--json', 'as JSON'],
    ],
    settings: WHERE,
    run: async (argv) => (await import('./usage.ts')).usage(argv),
  },
  {
    name: 'batch',
    usage: 'batch submit FILE|- | list | show ID | cancel ID | results ID | compare A B [FLAGS]',
    summary: 'Sends batches of requests to the running gateway, tells how far they are, fetches their results, compares those of two.',
    flags: [
      ['--key KEY', "a client's; else $HEADGATE_API_KEY or $OPENAI_API_KEY. list, show: without one everybody's, by the admin key"],
      ['--endpoint PATH', 'submit: what the lines are for (default: the url of the first line)'],
      ['--window 24h', 'submit: in which it is to be done'],
      ['--metadata KEY=VALUE', 'submit: kept with it (repeatable)'],
      ['--name NAME', 'submit: the metadata "name", which list shows'],
      ['--watch', 'submit: shows how far it is; ends with 0 when it is completed, otherwise with 1'],
      ['-o FILE', 'results: into this file (default: standard output)'],
      ['--errors', 'results: the lines that failed'],
      ['--follow', 'results: writes each line as soon as it is on record, until the batch has ended (with -o: all of them then)'],
      ['--json', 'show, compare: as JSON; list: an object a line'],
      [
        '--html FILE',
        'compare: writes a page with all that differs. A and B are ended batches, or files of results (of vllm run-batch, too)',
      ],
    ],
    settings: WHERE,
    run: async (argv) => (await import('./batch.ts')).batch(argv),
  },
  {
    name: 'reload',
    usage: 'reload [FLAGS]',
    summary: 'Has the running gateway read its settings anew, without dropping a request; says what changed and what needs a restart.',
    flags: [],
    settings: WHERE,
    run: async (argv) => (await import('./reload.ts')).reload(argv),
  },
  {
    name: 'swap',
    usage: 'swap MODEL [FLAGS]',
    summary: 'Loads a model in place of the one that is loaded, and waits until it is ready.',
    flags: [],
    settings: WHERE,
    run: async (argv) => (await import('./swap.ts')).swap(argv),
  },
  {
    name: 'drain',
    usage: 'drain WORKER [FLAGS]',
    summary: 'Lets a worker finish what it has and take nothing new; an engine of ours then stops.',
    flags: [],
    settings: WHERE,
    run: async (argv) => (await import('./tell.ts')).tellWorker(argv, 'drain'),
  },
  {
    name: 'undrain',
    usage: 'undrain WORKER [FLAGS]',
    summary: 'Puts a drained worker back into service; an engine of ours loads its model anew.',
    flags: [],
    settings: WHERE,
    run: async (argv) => (await import('./tell.ts')).tellWorker(argv, 'undrain'),
  },
  {
    name: 'restart',
    usage: 'restart WORKER [--reset] [FLAGS]',
    summary: 'Restarts a worker.',
    flags: [['--reset', 'with what its profile asks for, whatever was relaxed after failures']],
    settings: WHERE,
    run: async (argv) => (await import('./tell.ts')).tellWorker(argv, 'restart'),
  },
  {
    name: 'lease',
    usage: 'lease --minutes N [--gpu ID] [--holder NAME] [FLAGS] [-- COMMAND …] | lease --end [--gpu ID]',
    summary: 'Lends a GPU to COMMAND, or to you: its workers sleep or stop meanwhile, and come back when it ends.',
    flags: [
      ['--minutes N', 'for how long at the most: 1 to 1440; COMMAND is told a minute before, then ended'],
      ['--gpu ID', 'the number of the card, or its id (default: the only one)'],
      ['--holder NAME', 'who has it meanwhile, as "headgate status" tells (default: COMMAND, or your name)'],
      ['--end', 'takes a card back from whoever has it'],
    ],
    settings: WHERE,
    run: async (argv) => (await import('./lending/lease.ts')).lease(argv),
  },
  {
    name: 'canary',
    usage: 'canary start [GROUP] | status | abort | promote [FLAGS]',
    summary: 'Tries a group of workers with 10, 50 and 100 % of the calls; it is promoted, or rolled back, by what comes of them.',
    flags: [
      ['--steps 10,50,100', 'start: percents of the calls'],
      ['--step-time 60s', 'start: how long each step takes at least'],
      ['--preset NAME', 'start: the criteria: personal (default) or team'],
      ['--criteria FILE', 'start: or those of a file, limits: and canary: of it, as for release-gate'],
      ['--detach', 'start: does not wait for its end; otherwise exit code 0 is promoted, and 1 is not'],
      ['--json', 'as JSON'],
    ],
    settings: WHERE,
    run: async (argv) => (await import('./canary.ts')).canary(argv),
  },
  {
    name: 'sim',
    usage: 'sim serve MODEL [FLAGS OF vllm serve]',
    summary: 'The simulated vLLM server by itself.',
    flags: [],
    settings: [],
    ownHelp: true,
    run: async (argv) => (await import('../../supervisor/sim/main.ts')).runSim([...argv], process.env),
  },
  {
    name: 'load',
    usage: 'load [URL] [FLAGS]',
    summary: 'Sends calls as clients would, and says how long they waited: TTFT, time per token, whole answers, goodput; with a report.',
    flags: [],
    settings: [],
    ownHelp: true,
    run: async (argv) => (await import('../load/main.ts')).runLoadCommand(argv, (await import('./asking/place.ts')).placeHere()),
  },
  {
    name: 'abtest',
    usage: 'abtest [URL] --window 0,20,50 [FLAGS]',
    summary: 'Compares settings, models or servers under load on one live system, and says which to keep; with a report.',
    flags: [],
    settings: [],
    ownHelp: true,
    run: async (argv) => (await import('../abtest/main.ts')).runAbtestCommand(argv, (await import('./asking/place.ts')).placeHere()),
  },
  {
    name: 'tune',
    usage: 'tune [--grid FLAG=VALUES …] [FLAGS]',
    summary: 'Finds the best engine settings of a model on this card: launches, loads and measures each point; writes a tuning.',
    flags: [],
    settings: [],
    ownHelp: true,
    run: async (argv) =>
      (await import('../tune/main.ts')).runTuneCommand(
        argv,
        (await import('./asking/place.ts')).placeHere(),
        (await import('./cards.ts')).cardsOf,
      ),
  },
  {
    name: 'release-gate',
    usage: 'release-gate [URL] [--preset personal|team | --criteria FILE] [FLAGS]',
    summary: 'Puts a server through steps, a spike, cancellations, drains and a soak, and says whether it may be released; with a report.',
    flags: [],
    settings: [],
    ownHelp: true,
    run: async (argv) => (await import('../release-gate/main.ts')).runGateCommand(argv, (await import('./asking/place.ts')).placeHere()),
  },
  {
    name: 'chaos',
    usage: 'chaos [--rows NAME,… | --quick | --random N] [FLAGS]',
    summary: 'Injects faults around a gateway that serves calls, and tells what each has cost: the table of faults survived.',
    flags: [],
    settings: [],
    ownHelp: true,
    run: async (argv) => (await import('../chaos/main.ts')).runChaosCommand(argv, (await import('./asking/place.ts')).placeHere()),
  },
  {
    name: 'bench',
    usage: 'bench [--quick | --all] [FLAGS]',
    summary: 'Measures what the gateway costs on this machine, beside a bare relay, HAProxy, nginx and other gateways.',
    flags: [],
    settings: [],
    ownHelp: true,
    run: async (argv) => (await import('../bench/main.ts')).runBench(argv, { version: VERSION, cwd: process.cwd() }),
  },
];
