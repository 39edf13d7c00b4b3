import type { ModelNames } from '../core/principal.ts';

/** Whether a model goes by a name that one of the patterns has. In a pattern `*` stands for any characters, a slash among them. */
export function modelsAllowed(patterns: readonly string[]): (model: ModelNames) => boolean {
  if (patterns.includes('*')) return () => true;
  const names = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const globs = patterns.filter((pattern) => pattern.includes('*')).map(globOf);
  const allows = (name: string): boolean => names.has(name) || globs.some((glob) => glob(name));
  return ({ id, aliases }) => allows(id) || aliases.some(allows);
}

/** By hand, since a regular expression of many stars can take for ever. */
function globOf(pattern: string): (name: string) => boolean {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop() ?? '';
  return (name) => {
    if (!name.startsWith(first)) return false;
    let at = first.length;
    for (const piece of rest) {
      const found = name.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return name.length - last.length >= at && name.endsWith(last);
  };
}
