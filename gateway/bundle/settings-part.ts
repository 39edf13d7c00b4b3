import { isDeepStrictEqual } from 'node:util';
import { isSecretName } from '../core/secrets/data.ts';
import type { LoadedSettings } from '../config/load.ts';
import { defaultSettings, settingsSchema } from '../config/schema/settings.ts';
import { SchemaNode } from '../config/schema/walk.ts';
import { type Path, pathText } from '../config/schema/origins.ts';
import { SETTINGS_RULES } from './settings-rules.ts';
import type { PrivateText } from './veil/known-texts.ts';
import type { Kind } from './veil/stand-ins.ts';
import { allowed, Each, type LeafRule, type Rule } from './veil/rule.ts';
import type { Veil } from './veil/veil.ts';

/** Of more keys, workers or models than this it is enough to know how many there are. */
const MOST_ITEMS = 50;

interface Shown {
  readonly value: unknown;
  readonly from: string;
}

/**
 * The settings in their own shape. What stands at its default, and says nothing of whose it is, is its value alone; the rest says which
 * layer set it, without the names of files.
 */
export function settingsPart({ settings, origins, file, keys }: LoadedSettings, veil: Veil) {
  const defaults = defaultSettings();
  const from = (path: Path): string => origins.get(pathText(path))?.kind ?? 'default';

  function shown(value: unknown, standard: unknown, rule: Rule, path: Path): unknown {
    if (Array.isArray(rule) && Array.isArray(value) && typeof rule[0] !== 'string') {
      const items = value.slice(0, MOST_ITEMS).map((each, i) => shown(each, undefined, (rule as readonly [Rule])[0], [...path, i]));
      return value.length > MOST_ITEMS ? [...items, `(${value.length - MOST_ITEMS} more)`] : items;
    }
    if (isGroupRule(rule) && typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(rule).map(([name, inner]) => [name, shown(at(value, name), at(standard, name), inner, [...path, name])]),
      );
    }
    const isDefault = standard !== undefined && isDeepStrictEqual(value, standard);
    // What everybody has who sets nothing says nothing of anybody.
    if (isDefault && from(path) === 'default') return value;
    return { value: isDefault ? value : allowed(value, rule, veil), from: from(path) } satisfies Shown;
  }

  return {
    from_file: file !== null,
    keys: { in_settings: settings.auth.keys.length, with_those_of_files: keys.length },
    values: shown(settings, defaults, SETTINGS_RULES, []),
  };
}

function at(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

function isGroupRule(rule: Rule): rule is { readonly [field: string]: Rule } {
  return typeof rule === 'object' && !Array.isArray(rule) && !(rule instanceof Each);
}

const STANDS_IN = new Set<LeafRule>(['secret', 'key', 'url', 'host', 'address', 'path', 'name', 'gpu', 'user']);
/** Words that are no secret, whoever has them for a name. */
const COMMON = new Set(
  'auto .headgate none null true false default database root vllm serve node python python3 headgate localhost 127.0.0.1 0.0.0.0 balanced uv run exec env sh bash docker gateway supervisor'.split(
    ' ',
  ),
);

/** Every text that is set and must not go out, and the parts of it that say the same. `home`: this user's folder and name, and the machine's name. */
export function* privateTexts(
  { settings, keys }: LoadedSettings,
  env: Readonly<Record<string, string | undefined>>,
  home: readonly PrivateText[],
): Generator<PrivateText> {
  for (const texts of [hidden(settings, SETTINGS_RULES, ROOT), keyTexts(keys), variables(env), home]) {
    for (const found of texts) {
      const { kind, text } = found;
      if (COMMON.has(text.toLowerCase())) continue;
      yield found;
      if (kind === 'url' || text.includes('://')) yield* partsOf(text);
    }
  }
}

/** Not what is at its default: everybody has that, and its words are used for other things. `node`: where it is written. */
function* hidden(value: unknown, rule: Rule, node: SchemaNode | null): Generator<PrivateText> {
  if (value === null || value === undefined) return;
  // A word in place of a list or a group is one of ours.
  if (typeof rule !== 'string' && typeof value !== 'object') return;
  if (typeof rule === 'string') {
    if (rule === 'flags') yield* inFlags(value, '');
    else if (STANDS_IN.has(rule) && !(node && isDeepStrictEqual(value, standardOf(node)))) yield* textsIn(value, rule as Kind);
  } else if (rule instanceof Each) {
    for (const [name, inner] of Object.entries(value as object)) {
      if (rule.name === 'name' || rule.name === 'key') yield { kind: rule.name, text: name };
      yield* hidden(inner, rule.value, node && node.at([name]));
    }
  } else if (Array.isArray(rule)) {
    for (const inner of value as readonly unknown[]) yield* hidden(inner, (rule as readonly [Rule])[0], node && node.at([0]));
  } else for (const [name, inner] of Object.entries(rule)) yield* hidden(at(value, name), inner, node && node.at([name]));
}

const ROOT = new SchemaNode(settingsSchema);
const standards = new Map<SchemaNode, unknown>();

/** What is set where nobody sets anything; undefined where something has to be. */
function standardOf(node: SchemaNode): unknown {
  if (!standards.has(node)) standards.set(node, node.schema.safeParse(undefined).data);
  return standards.get(node);
}

function* textsIn(value: unknown, kind: Kind): Generator<PrivateText> {
  if (typeof value === 'string') yield { kind, text: value };
  else if (Array.isArray(value)) for (const inner of value) yield* textsIn(inner, kind);
}

function* inFlags(value: unknown, name: string): Generator<PrivateText> {
  if (typeof value === 'string') {
    if (isSecretName(name)) yield { kind: 'secret', text: value };
    else if (/[/\\\s]/.test(value)) yield { kind: value.startsWith('/') ? 'path' : 'text', text: value };
  } else if (typeof value === 'object' && value !== null) {
    for (const [inner, each] of Object.entries(value)) yield* inFlags(each, Array.isArray(value) ? name : inner);
  }
}

function* keyTexts(keys: LoadedSettings['keys']): Generator<PrivateText> {
  for (const { name, key, key_sha256: sha256 } of keys) {
    yield { kind: 'key', text: name };
    if (key !== null) yield { kind: 'secret', text: key };
    // It stands nowhere but as it is.
    if (sha256 !== null) yield { kind: 'key', text: sha256 };
  }
}

/** Whatever by its name is a secret or a place. */
function* variables(env: Readonly<Record<string, string | undefined>>): Generator<PrivateText> {
  for (const [name, text] of Object.entries(env)) {
    if (text === undefined || text.length < 4) continue;
    if (isSecretName(name) || /(?:PROXY|_URL|_DSN|_URI)$/i.test(name)) yield { kind: text.includes('://') ? 'url' : 'secret', text };
  }
}

/** Whose it is, with what, and where. */
function* partsOf(text: string): Generator<PrivateText> {
  const url = URL.parse(text);
  if (url === null) return;
  for (const part of [url.password, decoded(url.password)]) if (part !== '') yield { kind: 'secret', text: part };
  for (const part of [url.username, decoded(url.username)])
    if (part !== '' && !COMMON.has(part.toLowerCase())) yield { kind: 'user', text: part };
  const { hostname } = url;
  if (hostname === '' || COMMON.has(hostname) || hostname === '[::1]') return;
  yield { kind: 'host', text: hostname };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
