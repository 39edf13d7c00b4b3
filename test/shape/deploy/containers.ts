import { parse } from 'yaml';
import { loadSettings } from '../../../gateway/config/load.ts';
import type { Settings } from '../../../gateway/config/schema/settings.ts';
import { COMMANDS } from '../../../scripts/commands/table.ts';
import { SETTINGS_FLAGS } from '../../../gateway/config/layers/flags.ts';
import { FLAGS } from '../../../supervisor/flags/flag-table.ts';

/** Stands for what a secret holds: right for every setting that is given by one. */
const STAND_INS: Record<string, string> = {
  HEADGATE_ADMIN__KEY: 'an-admin-key-of-length',
  HEADGATE_STATE__URL: 'redis://valkey:6379',
  HEADGATE_DATABASE__URL: 'postgres://headgate:password@postgres/headgate',
};
const KEYS = 'keys: [{ name: app, key: a-key-of-an-application }]';

interface EnvironmentEntry {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: unknown;
}

export interface Started {
  readonly settings: Settings | null;
  readonly problems: string[];
}

/** The environment of a container of Kubernetes, with a stand-in for each secret. */
export function environmentOf(entries: readonly EnvironmentEntry[]): Record<string, string> {
  return Object.fromEntries(entries.map(({ name, value }) => [name, value ?? STAND_INS[name] ?? 'a-secret-of-some-length']));
}

/** The number that a flag of vLLM's is given, as --flag=8 or --flag 8; NaN where it is not. */
export function numberOf(args: readonly string[], flag: string): number {
  const at = args.findIndex((arg) => arg.split('=', 1)[0] === `--${flag}`);
  return Number(at < 0 ? Number.NaN : (args[at]!.split('=')[1] ?? args[at + 1]));
}

/** How much a quantity of memory is. */
export function mebibytes(quantity: string): number {
  const [, count, unit] = /^(\d+)([MG])i$/.exec(quantity)!;
  return Number(count) * (unit === 'G' ? 1024 : 1);
}

/** What a headgate would make of a command line, an environment and a settings file: its settings, or why it would not start. */
export function startedWith(args: readonly string[], env: Record<string, string>, file: string | null): Started {
  const problems: string[] = [];
  const [name, ...rest] = args;
  const command = COMMANDS.find((each) => each.name === name);
  if (!command) return { settings: null, problems: [`there is no command ${name}`] };
  // What is said of a flag begins with its name. The simulated engine takes those of vllm serve.
  const own = name === 'sim' ? FLAGS : command.flags;
  const flags = [...own.map(([flag]) => flag.split(' ', 1)[0]!), ...SETTINGS_FLAGS.map((each) => `--${each.name}`)];
  for (const word of rest) if (word.startsWith('--') && !flags.includes(word)) problems.push(`${name} has no flag ${word}`);
  if (command.ownHelp) return { settings: null, problems };
  try {
    const readFile = (path: string): Buffer | null =>
      path.endsWith('keys.yaml') ? Buffer.from(KEYS) : file === null || !path.endsWith('headgate.yaml') ? null : Buffer.from(file);
    const { settings, warnings } = loadSettings({ env, cwd: '/var/lib/headgate', readFile });
    problems.push(...warnings);
    return { settings, problems };
  } catch (error) {
    return { settings: null, problems: [...problems, (error as Error).message] };
  }
}

/** The environment that a stage of a Dockerfile sets. */
export function environmentOfImage(dockerfile: string, stage: string): Record<string, string> {
  const lines = stageOf(dockerfile, stage).filter((line) => line.startsWith('ENV '));
  return Object.fromEntries(lines.flatMap((line) => [...line.matchAll(/(\w+)=(\S+)/g)].map(([, key, value]) => [key!, value!])));
}

/** The instructions of a stage, a line each, comments and continuations resolved. */
export function stageOf(dockerfile: string, stage: string): string[] {
  const lines = dockerfile
    .replaceAll(/^#.*\n/gm, '')
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter(Boolean);
  const from = lines.findIndex((line) => new RegExp(`^FROM .* AS ${stage}$`).test(line));
  if (from < 0) throw new Error(`there is no stage ${stage}`);
  const length = lines.slice(from + 1).findIndex((line) => line.startsWith('FROM '));
  return lines.slice(from + 1, length < 0 ? undefined : from + 1 + length);
}

/** The list that an instruction such as ENTRYPOINT ["a", "b"] gives. */
export function listOf(instructions: readonly string[], name: string): string[] {
  const line = instructions.findLast((each) => each.startsWith(`${name} `));
  return line === undefined ? [] : (JSON.parse(line.slice(name.length)) as string[]);
}

/** A compose file with its variables put in, as compose does it in each value: what it falls back to, or a stand-in. */
export function interpolated(compose: string): unknown {
  const put = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(put);
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, put(each)]));
    if (typeof value !== 'string') return value;
    return value.replaceAll(/\$\{(\w+)(?::([-?])([^}]*))?\}/g, (_, name: string, kind?: string, rest?: string) =>
      kind === '-' ? rest! : `a-value-for-${name.toLowerCase().replaceAll('_', '-')}`,
    );
  };
  return put(parse(compose, { merge: true }));
}
