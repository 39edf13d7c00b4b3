import type { Layer, Tree } from '../../gateway/config/layers/layer.ts';
import { isWithin } from '../../gateway/config/schema/origins.ts';

/**
 * A profile of one's own over the package's of the same name: section by section, and in a section (engine:, env:, on:) key by key. A
 * value, a list and what lies deeper are replaced as a whole.
 */
export function laidOver(base: Layer, own: Layer): Layer {
  const merged: Layer = {
    form: base.form,
    tree: structuredClone(base.tree),
    origins: new Map(base.origins),
    keyOrigins: new Map(base.keyOrigins),
    unshown: new Set(),
    findings: [],
    broken: new Set(),
  };
  for (const [section, value] of Object.entries(own.tree)) {
    const below = merged.tree[section];
    if (isGroup(below) && isGroup(value))
      for (const key of Object.keys(value)) replace(merged, own, `${section}.${key}`, below, value, key);
    else replace(merged, own, section, merged.tree, own.tree, section);
  }
  return merged;
}

function replace(merged: Layer, own: Layer, text: string, into: Tree, from: Tree, key: string): void {
  into[key] = from[key];
  for (const places of [merged.origins, merged.keyOrigins])
    for (const known of places.keys()) if (isWithin(known, text)) places.delete(known);
  for (const [known, origin] of own.origins) if (isWithin(known, text)) merged.origins.set(known, origin);
  for (const [known, origin] of own.keyOrigins) if (isWithin(known, text)) merged.keyOrigins.set(known, origin);
}

function isGroup(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
