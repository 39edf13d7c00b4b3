/** One of the things that are compared. The first of a test is its baseline. */
export interface Arm {
  /** As people call it; no two of a test have the same. */
  readonly name: string;
  /** Laid over the gateway's own while its slots last, by dotted path; null: nothing is laid. */
  readonly settings: Readonly<Record<string, unknown>> | null;
  /** null: the one of the test. */
  readonly model: string | null;
  /** null: the server of the test. */
  readonly url: string | null;
}

/** One flag with a value for each arm: `batch_window.window_ms` with 0, 20 and 50. */
export interface SettingValues {
  readonly path: string;
  readonly values: readonly unknown[];
}

/** Arms of settings, paired by their positions. @returns what is wrong, as a text */
export function armsOfSettings(given: readonly SettingValues[]): readonly Arm[] | string {
  const [first, ...others] = given;
  if (first === undefined) return 'nothing is compared';
  const uneven = others.find(({ values }) => values.length !== first.values.length);
  if (uneven)
    return `${uneven.path} has ${uneven.values.length} values and ${first.path} has ${first.values.length}: they are paired by position`;
  const twice = others.find(({ path }, i) => given.slice(0, i + 1).some((other) => other.path === path));
  if (twice) return `${twice.path} is given twice`;
  return distinct(
    first.values.map((_, i) => ({
      name: given.map(({ path, values }) => valueName(path, values[i], given.length === 1)).join(', '),
      settings: Object.fromEntries(given.map(({ path, values }) => [path, values[i]])),
      model: null,
      url: null,
    })),
  );
}

export function armsOfModels(models: readonly string[]): readonly Arm[] {
  return distinct(models.map((model) => ({ name: model, settings: null, model, url: null })));
}

export function armsOfUrls(urls: readonly string[]): readonly Arm[] {
  return distinct(urls.map((url) => ({ name: url.replace(/^https?:\/\//, ''), settings: null, model: null, url })));
}

function valueName(path: string, value: unknown, alone: boolean): string {
  const last = path.slice(path.lastIndexOf('.') + 1);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (last.endsWith('_ms') && typeof value === 'number') return alone ? `${text} ms` : `${last.slice(0, -3)} ${text} ms`;
  return `${last} ${text}`;
}

/** The same thing against itself is a test of the test: what it calls different is chance. */
function distinct(arms: readonly Arm[]): readonly Arm[] {
  const isTwice = (name: string): boolean => arms.filter((arm) => arm.name === name).length > 1;
  return arms.map((arm, i) => (isTwice(arm.name) ? { ...arm, name: `${arm.name} (${String.fromCharCode(65 + i)})` } : arm));
}
