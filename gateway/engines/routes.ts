/** A table of routes: paths that an engine has under the same name, and those that it has under another. */
export function same(...lists: readonly (readonly string[] | Readonly<Record<string, string>>)[]): ReadonlyMap<string, string> {
  const routes = new Map<string, string>();
  for (const list of lists) {
    if (isNames(list)) for (const path of list) routes.set(path, path);
    else for (const [path, there] of Object.entries(list)) routes.set(path, there);
  }
  return routes;
}

function isNames(list: readonly string[] | Readonly<Record<string, string>>): list is readonly string[] {
  return Array.isArray(list);
}
