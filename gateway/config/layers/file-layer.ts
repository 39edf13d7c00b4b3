import { LineCounter, parseDocument } from 'yaml';
import type { YAMLError } from 'yaml';
import { type Layer, type Tree, checkLayer, emptyLayer } from './layer.ts';
import { type Form, SETTINGS } from '../schema/form.ts';
import type { Origin } from '../schema/origins.ts';
import { TreeReader } from './tree-reader.ts';
import type { Environment } from './variables.ts';

const MEBIBYTE = 1024 * 1024;
const MAX_SYNTAX_FINDINGS = 20;

/**
 * What a file sets, held against its form. `file` is its name in messages; with an environment, `${NAME}` stands for its values.
 * `salvage`: one that is no YAML sets what can still be made out. Never throws: whatever is wrong is among the findings, and values that
 * are wrong are left out.
 */
export function fileLayer(bytes: Uint8Array, file: string, env: Environment | null, form: Form = SETTINGS, salvage = false): Layer {
  const layer = emptyLayer(form);
  const whole: Origin = { kind: 'file', file, line: 0, column: 0 };
  if (bytes.length > mostBytes(form)) return unusable(layer, whole, `is larger than ${mostMebibytes(form)} MiB, which no ${form.name} is`);
  const text = decode(bytes);
  return text === null ? unusable(layer, whole, 'is not UTF-8 text') : textLayer(layer, text, file, env, salvage);
}

/** How many bytes a file of that form may have. */
export function mostBytes(form: Form): number {
  return mostMebibytes(form) * MEBIBYTE;
}

function mostMebibytes({ most }: Form): number {
  return most?.mebibytes ?? 1;
}

function textLayer(layer: Layer, text: string, file: string, env: Environment | null, salvage: boolean): Layer {
  const { form } = layer;
  const lineCounter = new LineCounter();
  const at = (offset: number): Origin => {
    const { line, col } = lineCounter.linePos(offset);
    return { kind: 'file', file, line: Math.max(1, line), column: Math.max(1, col) };
  };
  // Repeated keys are found by the reader, which knows their path. Depth: yaml's own limit guards its parser.
  const options = { version: '1.2', schema: 'core', strict: true, stringKeys: true, uniqueKeys: false } as const;
  const document = parseDocument(text, { ...options, lineCounter, logLevel: 'error', prettyErrors: false });
  const faults = withoutEchoes([...document.errors, ...document.warnings]);
  for (const fault of faults.slice(0, MAX_SYNTAX_FINDINGS)) {
    layer.findings.push({ origin: at(fault.pos[0]), path: [], message: syntaxMessage(fault, text, form) });
  }
  if (faults.length > 0) return salvage ? salvaged(layer, new TreeReader(document, layer, at, env), at(0)) : unusable(layer);

  const reader = new TreeReader(document, layer, at, env);
  const tree = reader.root() ?? {};
  if (reader.overflow !== null) return unusable(layer, at(0), reader.overflow);
  if (typeof tree !== 'object' || Array.isArray(tree)) return unusable(layer, at(0), `expected ${form.content}`);
  const read: Layer = { ...layer, tree: tree as Tree };
  checkLayer(read, at(0));
  return read;
}

/** What the parser made of text that is no YAML, as far as the form takes it. That there is a fault has been told, and what it drags along is not. */
function salvaged(layer: Layer, reader: TreeReader, whole: Origin): Layer {
  const told = layer.findings.length;
  unusable(layer);
  try {
    const tree = reader.root();
    if (reader.overflow !== null || typeof tree !== 'object' || tree === null || Array.isArray(tree)) return layer;
    const read: Layer = { ...layer, tree: tree as Tree };
    checkLayer(read, whole);
    return read;
  } catch {
    // The parser promises nothing of nodes beside a fault.
    return layer;
  } finally {
    layer.findings.length = told;
  }
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

function unusable(layer: Layer, origin?: Origin, message?: string): Layer {
  if (origin && message !== undefined) layer.findings.push({ origin, path: [], message });
  layer.broken.add('');
  return layer;
}

/** After one mistake the parser finds everything that follows unexpected; that tells nobody anything. */
function withoutEchoes(faults: readonly YAMLError[]): YAMLError[] {
  const sorted = faults.toSorted((a, b) => a.pos[0] - b.pos[0]);
  return sorted.filter((fault, i) => i === 0 || fault.code !== 'UNEXPECTED_TOKEN');
}

function syntaxMessage(fault: YAMLError, text: string, form: Form): string {
  switch (fault.code) {
    case 'MULTIPLE_DOCS':
      return `a ${form.name} holds one document; take out the second ---`;
    case 'TAG_RESOLVE_FAILED':
      // What stands behind an unquoted ! or * may be a secret.
      return 'what begins with ! is a tag in YAML, and settings have none: put it in quotes';
    case 'RESOURCE_EXHAUSTION':
      return 'nested too deeply';
    default: {
      const start = text.lastIndexOf('\n', fault.pos[0] - 1) + 1;
      const unquoted = /[{,[:]\s*\$\{/.test(text.slice(start, fault.pos[0] + 2));
      return `not valid YAML: ${fault.message.split('\n', 1)[0]}${unquoted ? '; inside { } or [ ] put ${…} in quotes' : ''}`;
    }
  }
}
