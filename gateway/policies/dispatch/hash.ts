/** Of both, a line each: FNV-1a with a final mix. */
export function hash32(worker: string, key: string): number {
  let h = fnv(fnv(fnv(0x811c9dc5, worker), '\n'), key);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  return h >>> 0;
}

function fnv(from: number, text: string): number {
  let h = from;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}
