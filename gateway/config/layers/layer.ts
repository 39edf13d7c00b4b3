import { type Form, SETTINGS } from '../schema/form.ts';
import type { Finding } from '../schema/problems.ts';
import { type Origin, type Path, isWithin, pathText } from '../schema/origins.ts';
import { schemaIssues } from '../schema/issues.ts';

/** A part of the settings as plain data. */
export type Tree = Record<string, unknown>;

/** What one source sets, before it is laid over the others. */
export interface Layer {
  /** What it is held against. */
  readonly form: Form;
  readonly tree: Tree;
  /** Where each value was found, groups and entries of lists included, by `pathText`. */
  readonly origins: Map<string, Origin>;
  /** Where each key was found, when that is not where its value is. */
  readonly keyOrigins: Map<string, Origin>;
  /** Values that came out of variables and so may be secret: messages do not repeat them. */
  readonly unshown: Set<string>;
  readonly findings: Finding[];
  /** Values left out because something is wrong with them. */
  readonly broken: Set<string>;
}

export function emptyLayer(form: Form = SETTINGS): Layer {
  return { form, tree: {}, origins: new Map(), keyOrigins: new Map(), unshown: new Set(), findings: [], broken: new Set() };
}

/** Sets a value, with everything inside it, from one origin. Groups on the way are made. */
export function setValue(layer: Layer, path: readonly string[], value: unknown, origin: Origin): void {
  let group = layer.tree;
  for (const step of path.slice(0, -1)) group = (group[step] ??= {}) as Tree;
  group[path.at(-1)!] = value;
  markOrigin(layer.origins, path, value, origin);
}

/** Holds a layer against its schema: adds what is wrong to its findings and takes it out of its tree. */
export function checkLayer(layer: Layer, otherwise: Origin): void {
  // Taking a wrong value out can uncover nothing new, so the second round only confirms; the bound is against surprises.
  const told = [...layer.broken];
  for (let round = 0; round < 10; round++) {
    const issues = schemaIssues(layer.tree, layer.form, (path) => isUnshown(layer, path));
    if (issues.length === 0) return;
    for (const { path, about, message } of issues) {
      const known = told.some((broken) => isWithin(pathText(path), broken));
      if (round === 0 && !known) layer.findings.push({ origin: locate(layer, path, about) ?? otherwise, path, message });
    }
    for (const { path } of issues) takeOut(layer, path);
  }
  for (const key of Object.keys(layer.tree)) takeOut(layer, [key]);
}

function isUnshown(layer: Layer, path: Path): boolean {
  return path.some((_, i) => layer.unshown.has(pathText(path.slice(0, i + 1))));
}

/** The nearest known place: that of the key or the value itself, or else of the group around it. */
export function locate(layer: Layer, path: Path, about: 'key' | 'value'): Origin | null {
  for (let length = path.length; length >= 0; length--) {
    const text = pathText(path.slice(0, length));
    const key = layer.keyOrigins.get(text);
    const value = layer.origins.get(text);
    const found = about === 'key' && length === path.length ? (key ?? value) : (value ?? key);
    if (found) return found;
  }
  return null;
}

/** A key is taken out of its group. A wrong entry spoils its whole list, since the others would move up, and so does one that lacks a key. */
function takeOut(layer: Layer, path: Path): void {
  let target = path;
  while (typeof target.at(-1) === 'number') target = target.slice(0, -1);
  const holder = groupAt(layer.tree, target.slice(0, -1));
  const last = target.at(-1);
  if (last !== undefined && (holder === null || !Object.hasOwn(holder, last))) {
    const entry = target.findLastIndex((step) => typeof step === 'number');
    if (entry !== -1) return takeOut(layer, target.slice(0, entry));
  }
  const text = pathText(target);
  layer.broken.add(text);
  for (const known of layer.origins.keys()) if (isWithin(known, text)) layer.origins.delete(known);
  if (last !== undefined && holder !== null) delete holder[last];
}

function groupAt(tree: Tree, path: Path): Tree | null {
  let group: unknown = tree;
  for (const step of path) group = typeof group === 'object' && group !== null ? (group as Record<string | number, unknown>)[step] : null;
  return typeof group === 'object' && group !== null ? (group as Tree) : null;
}

function markOrigin(origins: Map<string, Origin>, path: Path, value: unknown, origin: Origin): void {
  origins.set(pathText(path), origin);
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) value.forEach((each, i) => markOrigin(origins, [...path, i], each, origin));
  else for (const [key, each] of Object.entries(value)) markOrigin(origins, [...path, key], each, origin);
}
