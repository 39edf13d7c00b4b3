import { isAlias, isMap, isScalar, isSeq } from 'yaml';
import type { Alias, Document, Pair, ParsedNode, Scalar, YAMLMap, YAMLSeq } from 'yaml';
import type { Layer, Tree } from './layer.ts';
import { type Origin, type Path, pathText } from '../schema/origins.ts';
import { readSettingText, readYamlValue } from '../schema/setting-text.ts';
import { type Environment, mentionsVariable, substituteVariables } from './variables.ts';

// Such a file is written by hand; what goes beyond this is an attack or a mistake.
const MAX_VALUES = 20_000;
const MAX_DEPTH = 64;

/**
 * Turns the nodes of a YAML document into plain data, and notes in a layer where each value stood and what is wrong with it. Without an
 * environment `${NAME}` is text like any other.
 */
export class TreeReader {
  /** Why nobody can have written this document by hand; then the data is of no use. */
  overflow: string | null = null;
  readonly #document: Document;
  readonly #layer: Layer;
  readonly #at: (offset: number) => Origin;
  readonly #env: Environment | null;
  readonly #mostValues: number;
  #values = 0;

  constructor(document: Document, layer: Layer, at: (offset: number) => Origin, env: Environment | null) {
    this.#document = document;
    this.#layer = layer;
    this.#at = at;
    this.#env = env;
    this.#mostValues = layer.form.most?.values ?? MAX_VALUES;
  }

  /** The whole document as plain data; undefined when it is empty. */
  root(): unknown {
    const contents = this.#document.contents as ParsedNode | null;
    return contents === null ? undefined : this.#read(contents, [], 0);
  }

  /** Undefined where there is nothing that can be used. */
  #read(node: ParsedNode, path: Path, depth: number): unknown {
    // Counted after aliases, so that a few lines cannot stand for billions of values.
    if (++this.#values > this.#mostValues) this.overflow ??= `more than ${this.#mostValues} values, aliases (*name) written out`;
    if (depth > MAX_DEPTH) this.overflow ??= `nested deeper than ${MAX_DEPTH}`;
    if (this.overflow !== null) return undefined;
    this.#layer.origins.set(pathText(path), this.#at(node.range[0]));
    if (isAlias(node)) return this.#alias(node, path, depth);
    if (isMap(node)) return this.#group(node, path, depth);
    if (isSeq(node)) return this.#list(node, path, depth);
    return this.#scalar(node as Scalar.Parsed, path);
  }

  #alias(node: Alias.Parsed, path: Path, depth: number): unknown {
    const target = node.resolve(this.#document) as ParsedNode | undefined;
    if (!target)
      return this.#refuse(
        path,
        this.#at(node.range[0]),
        'what begins with * is an alias in YAML, and there is nothing of that name above: put it in quotes',
      );
    // An alias inside what it stands for ends at the depth limit.
    const value = this.#read(target, path, depth + 1);
    this.#layer.origins.set(pathText(path), this.#at(node.range[0]));
    return value;
  }

  #group(node: YAMLMap.Parsed, path: Path, depth: number): unknown {
    const group: Tree = {};
    const firstLines = new Map<string, number>();
    for (const pair of node.items as Pair<ParsedNode, ParsedNode | null>[]) {
      const key = isScalar(pair.key) ? String(pair.key.value) : '';
      const here = [...path, key];
      const origin = this.#at(pair.key.range[0]);
      const firstLine = firstLines.get(key);
      if (key === '' || key === '__proto__') this.#refuse(here, origin, 'is not the name of a setting');
      else if (firstLine !== undefined) {
        this.#layer.findings.push({ origin, path: here, message: `is set twice, first on line ${firstLine}` });
      } else {
        firstLines.set(key, origin.kind === 'file' ? origin.line : 0);
        this.#layer.keyOrigins.set(pathText(here), origin);
        const value = pair.value === null ? null : this.#read(pair.value, here, depth + 1);
        // A group whose keys are all commented out is a group with nothing in it.
        if (value !== undefined && !(value === null && this.#isLeftEmpty(here))) group[key] = value;
      }
    }
    return group;
  }

  #list(node: YAMLSeq.Parsed, path: Path, depth: number): unknown {
    const values: unknown[] = [];
    let whole = true;
    for (const [i, item] of (node.items as ParsedNode[]).entries()) {
      const value = this.#read(item, [...path, i], depth + 1);
      if (value === undefined) whole = false;
      values.push(value);
    }
    if (whole) return values;
    // Without one entry the others would move up.
    this.#layer.broken.add(pathText(path));
    return undefined;
  }

  #scalar(node: Scalar.Parsed, path: Path): unknown {
    if (typeof node.value !== 'string' || this.#env === null || !mentionsVariable(node.value)) return node.value;
    const { text, problems } = substituteVariables(node.value, this.#env);
    for (const message of problems) this.#refuse(path, this.#at(node.range[0]), message);
    if (problems.length > 0) return undefined;
    this.#layer.unshown.add(pathText(path));
    const place = this.#layer.form.root.at(path);
    if (place) return readSettingText(place, text);
    return node.type === 'PLAIN' ? readYamlValue(text) : text;
  }

  #isLeftEmpty(path: Path): boolean {
    const place = this.#layer.form.root.at(path);
    return place !== null && (place.kind === 'group' || place.kind === 'list') && !place.acceptsNull;
  }

  #refuse(path: Path, origin: Origin, message: string): undefined {
    this.#layer.findings.push({ origin, path, message });
    this.#layer.broken.add(pathText(path));
  }
}
