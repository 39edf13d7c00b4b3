/** The plain fields (not files) that a multipart body begins with, by name, as far as they are whole in `text`. The first of a name counts. */
export function formFields(text: string, boundary: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  const delimiter = `\r\n--${boundary}`;
  let at = text.startsWith(`--${boundary}`) ? 0 : text.indexOf(delimiter) + 2;
  if (at === 1) return fields;
  for (;;) {
    const headers = text.indexOf('\r\n', at);
    const end = headers < 0 ? -1 : text.indexOf('\r\n\r\n', headers);
    if (end < 0) return fields;
    // The CRLF of an empty value is also the one before the next delimiter.
    const next = text.indexOf(delimiter, end + 2);
    const field = fieldName(text.slice(headers, end));
    if (next < 0) return fields;
    if (field !== null && !fields.has(field)) fields.set(field, text.slice(end + 4, next));
    at = next + 2;
  }
}

/** The name in a part's headers, from the line end before the first of them; null for a file. */
export function fieldName(headers: string): string | null {
  const disposition = /\r\ncontent-disposition:[ \t]*form-data([ \t]*;[^\r\n]{1,1024})(?:\r\n|$)/i.exec(headers)?.[1];
  if (disposition === undefined) return null;
  let name: string | null = null;
  // Bounded, since whoever wrote this may have wished to see it backtrack.
  for (const [, key, quoted, plain] of disposition.matchAll(/;[ \t]{0,8}([\w*]{1,16})=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))/g)) {
    if (/^filename\*?$/i.test(key!)) return null;
    if (/^name$/i.test(key!)) name = quoted ?? plain ?? null;
  }
  return name;
}
