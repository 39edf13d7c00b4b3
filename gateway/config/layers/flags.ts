import { parseArgs } from 'node:util';
import { nearestName } from '../schema/nearest-name.ts';

/** A flag that sets a setting, or names the file. */
interface SettingsFlag {
  readonly name: string;
  /** What stands for its value in the help text. */
  readonly argument: string;
  readonly help: string;
  /** The setting; null for --config. */
  readonly path: readonly string[] | null;
  readonly repeatable: boolean;
}

export const SETTINGS_FLAGS: readonly SettingsFlag[] = [
  flag('config', 'FILE', 'settings file; without it $HEADGATE_CONFIG, ./headgate.yaml or ./headgate.yml, if there is one', null),
  flag('host', 'HOST', 'address to listen on', ['server', 'host']),
  flag('port', 'N', 'port of the API', ['server', 'port']),
  flag('model', 'ID', 'default model; others that are configured stay available', ['models']),
  flag('profile', 'NAME', 'GPU profile', ['supervisor', 'profile']),
  flag('tuning', 'NAME', 'tuning laid over the profile', ['supervisor', 'tuning']),
  flag('window-ms', 'N', 'batch window in milliseconds, 0 = off', ['batch_window', 'window_ms']),
  flag('engine', 'auto|vllm|sim', 'what to launch', ['supervisor', 'engine']),
  { ...flag('worker', 'URL', 'a running vLLM server; may be given again', ['workers']), repeatable: true },
];

/** What the command line says of the settings, still as text. */
export interface SettingsFlags {
  readonly config: string | null;
  /** By flag name, without dashes, in the order of the command line. */
  readonly values: ReadonlyMap<string, readonly string[]>;
}

export const NO_FLAGS: SettingsFlags = { config: null, values: new Map() };

export type OwnFlag = 'switch' | 'value' | 'values';

type ParsedFlags =
  | {
      readonly kind: 'flags';
      readonly flags: SettingsFlags;
      /** The command's own flags that were given: true, or the value. */
      readonly own: ReadonlyMap<string, string | true>;
      readonly positionals: readonly string[];
    }
  /** Wrong usage (exit code 2): every problem, in order. */
  | { readonly kind: 'usage'; readonly problems: readonly string[] };

/**
 * Reads a command line without the command's name. `own` are the flags a command has besides the settings': whether each is a
 * switch, takes a value, or may be given again (its values are then told a line each). Values of settings are not judged here; the loader
 * does that together with those of other layers.
 */
export function parseSettingsFlags(argv: readonly string[], own: Readonly<Record<string, OwnFlag>> = {}): ParsedFlags {
  const settingsFlags = new Map(SETTINGS_FLAGS.map((each) => [each.name, each]));
  const options = {
    ...Object.fromEntries(SETTINGS_FLAGS.map(({ name }) => [name, { type: 'string' } as const])),
    ...Object.fromEntries(Object.entries(own).map(([name, kind]) => [name, { type: kind === 'switch' ? 'boolean' : 'string' } as const])),
  };
  const { tokens } = parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true });
  const problems: string[] = [];
  const values = new Map<string, string[]>();
  const ownGiven = new Map<string, string | true>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    // A command's own flag goes before a setting's of the same name.
    const settingsFlag = Object.hasOwn(own, token.name) ? undefined : settingsFlags.get(token.name);
    const isSwitch = own[token.name] === 'switch';
    if (!settingsFlag && !Object.hasOwn(own, token.name)) {
      const near = nearestName(token.name, Object.keys(options));
      problems.push(`unknown flag ${token.rawName}${near === null ? '' : `; did you mean --${near}?`}`);
    } else if (isSwitch) {
      if (token.value === undefined) ownGiven.set(token.name, true);
      else problems.push(`flag ${token.rawName} takes no value`);
    } else if (token.value === undefined || token.value === '' || (!token.inlineValue && /^-[^\d]/.test(token.value))) {
      problems.push(`flag ${token.rawName} needs a value${settingsFlag ? `: --${settingsFlag.name} ${settingsFlag.argument}` : ''}`);
    } else if (settingsFlag) {
      const earlier = settingsFlag.repeatable ? (values.get(token.name) ?? []) : [];
      values.set(token.name, [...earlier, token.value]);
    } else {
      const earlier = own[token.name] === 'values' ? ownGiven.get(token.name) : undefined;
      ownGiven.set(token.name, earlier === undefined ? token.value : `${earlier}\n${token.value}`);
    }
  }
  if (problems.length > 0) return { kind: 'usage', problems };
  const config = values.get('config')?.[0] ?? null;
  values.delete('config');
  return { kind: 'flags', flags: { config, values }, own: ownGiven, positionals };
}

function flag(name: string, argument: string, help: string, path: readonly string[] | null): SettingsFlag {
  return { name, argument, help, path, repeatable: false };
}
