import { type Layer, type Tree, emptyLayer } from './layer.ts';
import { type Origin, type Path, isWithin, pathText } from '../schema/origins.ts';

/** One layer out of several, later ones beating earlier ones: groups key by key, anything else as a whole. Findings stay behind. */
export function mergeLayers(layers: readonly Layer[]): Layer {
  const merged = emptyLayer();
  for (const layer of layers) {
    overlay(merged, merged.tree, layer.tree, []);
    for (const [text, origin] of layer.origins) merged.origins.set(text, origin);
    for (const text of layer.unshown) merged.unshown.add(text);
  }
  return merged;
}

/**
 * Puts the model that a flag asks for first in the list: the entry that has this id or alias, or else a new one. The others stay
 * available. Entries take their origins along.
 */
export function chooseModel(merged: Layer, wanted: string, flag: Origin): void {
  const before = (merged.tree.models ?? []) as readonly (string | Tree)[];
  const found = before.findIndex((entry) => namesOf(entry).includes(wanted));
  const chosen = found === -1 ? wanted : before[found]!;
  const moved = new Map<string, Origin>();
  for (const [text, origin] of merged.origins) {
    const [, digits, rest = ''] = /^models\[(\d+)\](.*)$/s.exec(text) ?? [];
    if (digits === undefined) continue;
    const index = Number(digits);
    const target = index === found ? 0 : found === -1 || index < found ? index + 1 : index;
    moved.set(`models[${target}]${rest}`, origin);
  }
  forget(merged, ['models']);
  merged.tree.models = [chosen, ...before.filter((_, i) => i !== found)];
  merged.origins.set('models', flag);
  if (found === -1) merged.origins.set('models[0]', flag);
  for (const [text, origin] of moved) merged.origins.set(text, origin);
}

function overlay(merged: Layer, below: Tree, above: Tree, path: Path): void {
  for (const [key, value] of Object.entries(above)) {
    const here = [...path, key];
    if (isGroup(value)) overlay(merged, (below[key] ??= {}) as Tree, value, here);
    else {
      forget(merged, here);
      below[key] = value;
    }
  }
}

function isGroup(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function forget(merged: Layer, path: Path): void {
  const text = pathText(path);
  for (const known of merged.origins.keys()) if (isWithin(known, text)) merged.origins.delete(known);
  for (const known of merged.unshown) if (isWithin(known, text)) merged.unshown.delete(known);
}

function namesOf(entry: string | Tree): readonly unknown[] {
  if (typeof entry === 'string') return [entry];
  return [entry.id, ...(Array.isArray(entry.aliases) ? (entry.aliases as unknown[]) : [])];
}
