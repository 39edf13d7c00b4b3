import { posix } from 'node:path';

// As these modules are written: every import at the beginning of a line, and what is exported declared where it is.
const IMPORT = /^import (?:\* as (?<all>\w+)|(?<one>\w+)|\{(?<some>[^}]*)\}) from '(?<from>[^']+)';\n/gm;
const EXPORT = /^export (?=(?:const|async function|function) (\w+))/gm;

/**
 * Modules as one: a browser asks once, and what they have in common is packed once, a quarter less in all. Each becomes a function that is
 * run in its turn and gives what it exports; imports from elsewhere stand at the top.
 * @param texts by path @param entry the path that all others are imported from, round about @throws when one is written otherwise
 */
export function asOneModule(texts: ReadonlyMap<string, string>, entry: string): string {
  const outside = new Map<string, Set<string>>();
  const done = new Map<string, string>();
  const parts: string[] = [];

  function add(path: string): string {
    const known = done.get(path);
    if (known !== undefined) return known;
    const text = texts.get(path);
    if (text === undefined) throw new Error(`There is no module ${path}.`);
    const name = `$${done.size}`;
    done.set(path, name);
    const body = text.replace(IMPORT, (_, all: string | undefined, one: string | undefined, some: string | undefined, from: string) => {
      if (from.startsWith('.')) {
        const of = add(posix.join(posix.dirname(path), from));
        return `const ${all ?? `{${some!.replaceAll(' as ', ':')}}`} = ${of};\n`;
      }
      const names = outside.get(from) ?? new Set();
      outside.set(from, names);
      for (const each of one === undefined ? some!.split(',') : [`default as ${one}`]) names.add(each.trim());
      return '';
    });
    const exported = [...body.matchAll(EXPORT)].map(([, each]) => each!);
    const inside = body.replace(EXPORT, '');
    if (/^(?:import|export)\b/m.test(inside)) throw new Error(`${path} imports or exports in a way that is not known here.`);
    parts.push(`const ${name} = (() => {\n${inside}\nreturn {${exported.join(',')}};\n})();\n`);
    return name;
  }

  add(entry);
  const imports = [...outside].map(([from, names]) => `import {${[...names].filter((name) => name !== '').join(',')}} from '${from}';\n`);
  return [...imports, ...parts].join('');
}
