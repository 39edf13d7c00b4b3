import { parseDocument } from 'yaml';
import type { SchemaNode } from './walk.ts';

/**
 * A setting given as text (a variable, a flag) as the value it stands for. The schema decides: where text is wanted nothing is read
 * into it, so that a key `1e3` or `a #b` stays what it is; elsewhere it is a YAML value (`20`, `true`, `[a, b]`, JSON).
 * Text that is no such value is returned as it is, for the schema to refuse.
 */
export function readSettingText(node: SchemaNode, text: string): unknown {
  if (node.kind === 'text') return node.acceptsNull && /^(|null|~)$/.test(text) ? null : text;
  return readYamlValue(text);
}

/** A YAML value written on one line, or the text itself where it is not valid YAML. */
export function readYamlValue(text: string): unknown {
  try {
    const document = parseDocument(text, { version: '1.2', schema: 'core', stringKeys: true, logLevel: 'error', prettyErrors: false });
    if (document.errors.length > 0 || document.warnings.length > 0) return text;
    return document.toJS({ maxAliasCount: 100 }) as unknown;
  } catch {
    return text;
  }
}
