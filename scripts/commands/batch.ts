import { setTimeout as delay } from 'node:timers/promises';
import { findAdminKey } from '../../gateway/config/admin-key.ts';
import { EXIT_USAGE } from '../../gateway/config/exit-codes.ts';
import type { LoadedSettings } from '../../gateway/config/load.ts';
import { nearestName } from '../../gateway/config/schema/nearest-name.ts';
import { systemClock } from '../../gateway/core/clock.ts';
import { cancel } from './batches/cancel.ts';
import { compare } from './batches/compare.ts';
import type { BatchContext } from './batches/context.ts';
import { list } from './batches/list.ts';
import { results } from './batches/results.ts';
import { show } from './batches/show.ts';
import type { StoredApi } from './batches/stored-api.ts';
import { submit } from './batches/submit.ts';
import { readCommandLine } from './line/command-line.ts';
import { findGateway, othersText } from './asking/find-gateway.ts';
import { isLiveTerminal, terminalColumns } from '../report/terminal.ts';
import { outliveReaders } from './output.ts';

/** The words that each needs, and its own flags; `key` is of all. */
const VERBS = {
  submit: { words: ['FILE'], flags: ['endpoint', 'window', 'metadata', 'name', 'watch'] },
  list: { words: [], flags: ['json'] },
  show: { words: ['ID'], flags: ['json'] },
  cancel: { words: ['ID'], flags: [] },
  results: { words: ['ID'], flags: ['o', 'errors', 'follow'] },
  compare: { words: ['A', 'B'], flags: ['json', 'html'] },
} as const;
type Verb = keyof typeof VERBS;

const OWN = {
  endpoint: 'value',
  window: 'value',
  metadata: 'values',
  name: 'value',
  watch: 'switch',
  json: 'switch',
  o: 'value',
  errors: 'switch',
  follow: 'switch',
  html: 'value',
  key: 'value',
} as const;
/** Besides the verb. */
const MOST_WORDS = 2;

/** `headgate batch submit FILE | list | show ID | cancel ID | results ID | compare A B` */
export async function batch(argv: readonly string[]): Promise<number> {
  const words = Object.keys(VERBS).join('|');
  const line = readCommandLine('batch', argv, { words: [words], optional: MOST_WORDS, own: OWN, tolerant: 'aloud' });
  if (line.kind === 'ended') return line.exitCode;
  const { own } = line;
  const [verb = '', ...rest] = line.positionals;
  if (!isVerb(verb)) {
    const near = nearestName(verb, Object.keys(VERBS));
    return wrong(
      `there is no "headgate batch ${verb}"${near === null ? `; there are ${words.replaceAll('|', ', ')}` : `; did you mean ${near}?`}`,
    );
  }
  const needs: readonly string[] = VERBS[verb].words;
  const takes: readonly string[] = ['key', ...VERBS[verb].flags];
  const stranger = [...own.keys()].find((flag) => !takes.includes(flag));
  if (stranger !== undefined) return wrong(`"headgate batch ${verb}" takes no ${stranger.length === 1 ? '-' : '--'}${stranger}`);
  if (rest.length < needs.length)
    return wrong(`${needs.slice(rest.length).join(' and ')} is missing: headgate batch ${verb} ${needs.join(' ')}`);
  if (rest.length > needs.length) return wrong(`unexpected argument ${rest[needs.length]}`);

  outliveReaders();
  const text = (flag: string): string | null => (own.get(flag) as string | undefined) ?? null;
  const context = contextOf(line.loaded, line.cwd, text('key'));
  const [first = '', second = ''] = rest;
  switch (verb) {
    case 'submit': {
      const metadata = metadataOf(text('metadata'), text('name'));
      if (metadata === null) return wrong('--metadata is written KEY=VALUE');
      const window = text('window') ?? '24h';
      return submit(context, { file: first, endpoint: text('endpoint'), window, metadata, isWatched: own.has('watch') });
    }
    case 'list':
      return list(context, own.has('json'));
    case 'show':
      return show(context, first, own.has('json'));
    case 'cancel':
      return cancel(context, first);
    case 'results':
      return results(context, { id: first, output: text('o'), errors: own.has('errors'), follow: own.has('follow') });
    case 'compare': {
      const html = text('html');
      if (html !== null && own.has('json')) return wrong('--json and --html are two forms of one report: give one of them');
      const form = html !== null ? ({ kind: 'html', file: html } as const) : ({ kind: own.has('json') ? 'json' : 'text' } as const);
      return compare(context, [first, second], form);
    }
  }
}

function isVerb(word: string): word is Verb {
  return Object.hasOwn(VERBS, word);
}

function contextOf(loaded: LoadedSettings, cwd: string, key: string | null): BatchContext {
  return {
    api: () => connect(loaded, cwd, key),
    clock: systemClock,
    // The clock's own timers do not keep a process alive.
    pause: (ms) => delay(ms),
    out: process.stdout,
    err: process.stderr,
    isLive: isLiveTerminal(process.stderr),
    columns: () => terminalColumns(process.stdout.isTTY ? process.stdout : process.stderr),
  };
}

/** A client's key goes before an operator's: whoever has one asks for what is his. */
async function connect(loaded: LoadedSettings, cwd: string, typed: string | null): Promise<StoredApi> {
  const key = typed ?? (process.env['HEADGATE_API_KEY'] || process.env['OPENAI_API_KEY'] || null);
  const found = key === null ? findAdminKey(loaded.settings, cwd) : null;
  const where = await findGateway(loaded, cwd, 'api');
  const { base, isGuess } = where;
  process.stderr.write(othersText(where));
  const admin = found === null || found.kind === 'none' ? null : { base: (await findGateway(loaded, cwd, 'admin')).base, key: found.key };
  const here = isGuess ? ` None was started in this folder (${loaded.settings.supervisor.state_dir}).` : '';
  return { base, key, admin, advice: `Is it running there?${here} --port and --config say where to ask.` };
}

/** null: a pair is written otherwise. */
function metadataOf(pairs: string | null, name: string | null): Record<string, string> | null {
  const metadata: Record<string, string> = name === null ? {} : { name };
  for (const pair of pairs?.split('\n') ?? []) {
    const at = pair.indexOf('=');
    if (at < 1) return null;
    metadata[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return metadata;
}

function wrong(message: string): number {
  process.stderr.write(`headgate: ${message}\n"headgate help batch" tells its usage.\n`);
  return EXIT_USAGE;
}
