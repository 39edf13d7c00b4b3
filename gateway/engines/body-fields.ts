import type { Call } from '../core/call.ts';
import { isObject, parsed } from '../core/json/json.ts';

const seen = new WeakMap<Call, Map<readonly string[], readonly string[]>>();

/**
 * Which of the fields a call's body has at its top, and says something in: null and false say nothing. The body is parsed only if the
 * bytes of a name are in it at all, and asked once for each list.
 */
export function fieldsIn(call: Call, names: readonly string[]): readonly string[] {
  let lists = seen.get(call);
  if (lists === undefined) seen.set(call, (lists = new Map()));
  const known = lists.get(names);
  if (known !== undefined) return known;
  const found = find(call, names);
  lists.set(names, found);
  return found;
}

const NONE: readonly string[] = [];

function find({ body, route }: Call, names: readonly string[]): readonly string[] {
  if (route.body !== 'json' || route.stored !== undefined) return NONE;
  const { bytes } = body;
  const suspects = names.filter((name) => bytes.includes(`"${name}"`));
  if (suspects.length === 0) return NONE;
  const value = parsed(bytes.toString('utf8'));
  if (!isObject(value)) return NONE;
  return suspects.filter((name) => value[name] !== undefined && value[name] !== null && value[name] !== false);
}
