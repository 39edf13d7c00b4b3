/** The way to a value in the settings: keys, and positions in lists. */
export type Path = readonly (string | number)[];

/** The layer that set a value, later ones beating earlier ones. Lines and columns count from 1. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly file: string; readonly line: number; readonly column: number }
  | { readonly kind: 'environment'; readonly name: string }
  | { readonly kind: 'flag'; readonly name: string }
  /** Fixed by the command itself, such as `headgate gateway`. */
  | { readonly kind: 'command'; readonly name: string };

/** Where each value that is not a default comes from, by `pathText`. */
export type Origins = ReadonlyMap<string, Origin>;

/** `['workers', 0, 'url']` as `workers[0].url`. */
export function pathText(path: Path): string {
  return path.map((step, i) => (typeof step === 'number' ? `[${step}]` : i === 0 ? step : `.${step}`)).join('');
}

/** Whether `text` names `ancestor` or something inside it. Both as `pathText` writes them. */
export function isWithin(text: string, ancestor: string): boolean {
  if (ancestor === '') return true;
  return text.startsWith(ancestor) && (text.length === ancestor.length || text[ancestor.length] === '.' || text[ancestor.length] === '[');
}

/** The place to look at to mend a value. */
export function originWhere(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default';
    case 'file':
      return origin.line === 0 ? origin.file : `${origin.file}:${origin.line}:${origin.column}`;
    case 'environment':
      return `environment ${origin.name}`;
    case 'flag':
      return `flag ${origin.name}`;
    case 'command':
      return origin.name;
  }
}

/** The layer that set a value, as `headgate explain` names it. */
export function originText(origin: Origin): string {
  return origin.kind === 'file' ? `${origin.file}:${origin.line}` : originWhere(origin);
}
