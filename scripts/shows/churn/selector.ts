/** Whether labels fit a label selector of equalities and sets: `a=b,c!=d,e in (f,g),!h`. */
export function fits(labels: Readonly<Record<string, string>>, selector: string): boolean {
  return selector
    .split(/,(?![^(]*\))/)
    .filter((part) => part.trim() !== '')
    .every((part) => fitsOne(labels, part.trim()));
}

function fitsOne(labels: Readonly<Record<string, string>>, part: string): boolean {
  const set = /^(\S+)\s+(in|notin)\s+\(([^)]*)\)$/.exec(part);
  if (set) {
    const [, name = '', how, values = ''] = set;
    const isIn = values.split(',').some((value) => value.trim() === labels[name]);
    return how === 'in' ? isIn : !isIn;
  }
  const [, name = '', sign, value = ''] = /^([^!=]+)(!=|==?)(.*)$/.exec(part) ?? [];
  if (sign !== undefined) return sign === '!=' ? labels[name.trim()] !== value.trim() : labels[name.trim()] === value.trim();
  return part.startsWith('!') ? !Object.hasOwn(labels, part.slice(1)) : Object.hasOwn(labels, part);
}
