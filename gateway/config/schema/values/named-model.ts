/** A model by one name alone: its id or its repository, or the path of its folder, whose last part is the id then. */
export function namedModel(entry: string): { readonly id: string; readonly source?: string } {
  if (!/^(?:~|\.{1,2})?\//.test(entry)) return { id: entry };
  const name = entry
    .split('/')
    .findLast((part) => part !== '')
    ?.replace(/^\.+$/, '');
  return { id: name || entry, source: entry };
}
