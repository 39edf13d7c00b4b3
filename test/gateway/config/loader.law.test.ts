import fc from 'fast-check';
import { stringify } from 'yaml';
import { expect, test } from 'vitest';
import { checkCommand } from '../../../gateway/config/check.ts';
import { variableName } from '../../../gateway/config/layers/environment-layer.ts';
import { explainSettings } from '../../../gateway/config/explain.ts';
import { parseSettingsFlags } from '../../../gateway/config/layers/flags.ts';
import { loadSettings, salvageSettings } from '../../../gateway/config/load.ts';
import { SettingsError } from '../../../gateway/config/schema/problems.ts';
import { SETTINGS } from '../../../gateway/config/schema/form.ts';
import { settingsSchema } from '../../../gateway/config/schema/settings.ts';
import { histories } from '../../support/histories.ts';
import { inputOf } from './loading.ts';

/** Loads, explains and checks. Whatever is not a SettingsError with problems comes out as it is. */
function survive(bytes: Uint8Array, env: Record<string, string>, argv: readonly string[]): void {
  const parsed = parseSettingsFlags(argv);
  if (parsed.kind === 'usage') {
    expect(parsed.problems.length).toBeGreaterThan(0);
    return;
  }
  const input = { ...inputOf({ env }), flags: parsed.flags, readFile: () => bytes };
  try {
    const loaded = loadSettings(input);
    expect(settingsSchema.parse(loaded.settings)).toEqual(loaded.settings);
    explainSettings(loaded);
    checkCommand(loaded);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    expect(error.problems.length).toBeGreaterThan(0);
    for (const problem of error.problems) expect(problem.message).not.toBe('');
    checkCommand(error);
    const { loaded, problems } = salvageSettings(input);
    expect(problems).toEqual(error.problems);
    expect(settingsSchema.parse(loaded.settings)).toEqual(loaded.settings);
  }
}

const leaves = SETTINGS.root.leaves().map(({ path }) => path);
const names = [...new Set(leaves.flat()), 'url', 'api_key', 'id', 'aliases', 'engine', 'source', '__proto__', 'x', '<<'];
// Pieces that a settings file is made of, so that random text gets past the parser often.
const piece = fc.oneof(
  fc.constantFrom(...names.map((name) => `${name}:`)),
  fc.constantFrom(
    '\n',
    '\n  ',
    '\n    ',
    ' ',
    '- ',
    '\n- ',
    '{',
    '}',
    '[',
    ']',
    ',',
    ': ',
    '&a ',
    '*a',
    '"',
    "'",
    '|',
    '#',
    '---\n',
    '!!x ',
    '${A}',
    '${',
    '${B:-1}',
    '? ',
  ),
  fc.constantFrom('auto', 'no', '1', '-1', '0.5', '.nan', '~', 'http://a:1', '0.0.0.0', '60s', '%YAML 1.1\n'),
  fc.string({ maxLength: 4 }),
);
const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''));

test('arbitrary bytes as a file give settings or a SettingsError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => survive(bytes, {}, [])),
    { numRuns: histories(300) },
  );
});

test('arbitrary text of settings-like pieces gives settings or a SettingsError', () => {
  fc.assert(
    fc.property(text, (given) => survive(Buffer.from(given), { A: 'x' }, [])),
    { numRuns: histories(1_500) },
  );
});

test('arbitrary values in the right shape give settings or a SettingsError', () => {
  const value = fc.oneof(
    fc.anything({ maxDepth: 2, withNullPrototype: false }).map(plain),
    fc.jsonValue({ maxDepth: 3 }),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  );
  const entry = fc.tuple(fc.constantFrom(...leaves), value);
  const tree = fc.array(entry, { maxLength: 6 }).map((entries) => {
    const root: Record<string, unknown> = {};
    for (const [path, each] of entries) {
      let group = root;
      for (const step of path.slice(0, -1)) group = (group[step] ??= {}) as Record<string, unknown>;
      group[path.at(-1)!] = each;
    }
    return root;
  });
  fc.assert(
    fc.property(tree, (given) => survive(Buffer.from(stringify(given)), {}, [])),
    { numRuns: histories(500) },
  );
});

test('arbitrary variables and flags give settings, a usage error or a SettingsError', () => {
  const env = fc.dictionary(
    fc.oneof(
      fc.constantFrom(...leaves.map(variableName)),
      fc.string({ maxLength: 9 }).map((name) => `HEADGATE_${name}`),
    ),
    text,
    { maxKeys: 5 },
  );
  const argument = fc.oneof(
    fc.constantFrom('--port', '--model', '--worker', '--config', '--host', '--window-ms', '--engine', '--', '-x', '--tuning=a'),
    fc.string({ maxLength: 8 }),
    piece,
  );
  fc.assert(
    fc.property(env, fc.array(argument, { maxLength: 6 }), (given, argv) => survive(Buffer.from('models: [a]'), given, argv)),
    { numRuns: histories(500) },
  );
});

/** JSON's view of a value, or its text. */
function plain(value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value) ?? 'null') as unknown;
  } catch {
    return String(typeof value);
  }
}
