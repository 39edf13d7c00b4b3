import { stringify } from 'yaml';
import { shownArguments } from '../core/secrets/data.ts';
import { withoutSecrets } from '../core/secrets/text.ts';
import type { LoadedSettings } from './load.ts';
import { type Path, originText, pathText } from './schema/origins.ts';
import { SETTINGS } from './schema/form.ts';

/** What stands in place of a secret. */
const HIDDEN = '(hidden)';

/** A setting with the layer that set it: `default`, `headgate.yaml:3`, `environment HEADGATE_…`, `flag --port`. */
interface ExplainedValue {
  readonly value: unknown;
  readonly origin: string;
}

/** The settings in their own shape, each value explained. Groups in lists (workers, models) are explained key by key. */
type Explained = ExplainedValue | readonly Explained[] | { readonly [key: string]: Explained };

/** The effective settings with the origin of each, for `GET /admin/config`. Secrets are hidden. */
export function explainJson(loaded: LoadedSettings): { file: string | null; warnings: readonly string[]; settings: Explained } {
  return { file: loaded.file, warnings: loaded.warnings, settings: explainValue(loaded, loaded.settings, []) };
}

/**
 * The effective settings as YAML, each line with its origin, for `headgate explain`. Secrets are hidden. With a path, what lies under it
 * alone, in its place; null where nothing does.
 */
export function explainSettings(loaded: LoadedSettings): string;
export function explainSettings(loaded: LoadedSettings, path: readonly string[]): string | null;
export function explainSettings(loaded: LoadedSettings, path: readonly string[] = []): string | null {
  const lines: Line[] = [];
  const asked = only(explainJson(loaded).settings, path);
  if (asked === null) return null;
  for (const [key, explained] of Object.entries(asked)) writeEntry(lines, '', key, explained);
  const width = Math.min(40, Math.max(0, ...lines.map(({ text }) => text.length)));
  const head = loaded.file === null ? '# no settings file' : `# settings file: ${loaded.file}`;
  const { keys, keys_file: keysFile } = loaded.settings.auth;
  const more =
    keysFile === null ? [] : [`# and ${loaded.keys.length - keys.length} keys of clients in ${keysFile}: "headgate key list" tells them`];
  const body = lines.map(({ text, origin }) => (origin === '' ? text : `${text.padEnd(width)}  # ${origin}`));
  return [head, ...more, ...loaded.warnings.map((warning) => `# warning: ${warning}`), ...body, ''].join('\n');
}

/** The groups on the way to what a path names, without what stands beside it. */
function only(explained: Explained, [key, ...rest]: readonly string[]): Explained | null {
  if (key === undefined) return explained;
  if (isExplainedValue(explained) || Array.isArray(explained) || !Object.hasOwn(explained, key)) return null;
  const inner = only((explained as Readonly<Record<string, Explained>>)[key]!, rest);
  return inner === null ? null : { [key]: inner };
}

interface Line {
  readonly text: string;
  readonly origin: string;
}

function explainValue(loaded: LoadedSettings, value: unknown, path: Path): Explained {
  if (isGroup(value) && !isEmpty(value) && path.at(-1) !== 'engine') {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, explainValue(loaded, each, [...path, key])]));
  }
  if (Array.isArray(value) && value.some(isGroup)) return value.map((each, i) => explainValue(loaded, each, [...path, i]));
  const origin = loaded.origins.get(pathText(path));
  return { value: shown(value, path), origin: originText(origin ?? { kind: 'default' }) };
}

/** Nothing (null, an empty list or group) is no secret: that a key is missing may be shown. A URL may hold a password wherever it stands. */
function shown(value: unknown, path: Path): unknown {
  if (SETTINGS.root.hides(path) && !isEmpty(value)) return HIDDEN;
  if (typeof value === 'string') return withoutSecrets(value);
  if (isWords(value)) return shownArguments(value);
  if (Array.isArray(value)) return value.map((each, i) => shown(each, [...path, i]));
  if (!isGroup(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shown(each, [...path, key])]));
}

function writeEntry(lines: Line[], indent: string, key: string, explained: Explained): void {
  if (isExplainedValue(explained)) {
    lines.push({ text: `${indent}${key}: ${inline(explained.value)}`, origin: explained.origin });
    return;
  }
  lines.push({ text: `${indent}${key}:`, origin: '' });
  if (!Array.isArray(explained)) {
    for (const [inner, each] of Object.entries(explained)) writeEntry(lines, `${indent}  `, inner, each);
    return;
  }
  for (const entry of explained as readonly Explained[]) {
    const first = lines.length;
    for (const [inner, each] of Object.entries(entry)) writeEntry(lines, `${indent}    `, inner, each as Explained);
    const { text, origin } = lines[first]!;
    lines[first] = { text: `${indent}  - ${text.trimStart()}`, origin };
  }
}

function isExplainedValue(explained: Explained): explained is ExplainedValue {
  return 'origin' in explained && typeof explained.origin === 'string';
}

function inline(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false }).trimEnd();
}

function isEmpty(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.keys(value).length === 0);
}

function isWords(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isGroup(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
