const QUOTE = 0x22;
const BACKSLASH = 0x5c;
/** Most strings are shorter; beyond this a native search is worth its call. */
const NEAR_BYTES = 64;

/** One past the closing quote of the JSON string that opens at `start`; the end of the bytes if it is never closed. */
export function stringEnd(bytes: Buffer, start: number): number {
  let pos = start + 1;
  for (const near = pos + NEAR_BYTES; pos < near; pos++) {
    const byte = bytes[pos];
    if (byte === undefined) return bytes.length;
    if (byte === BACKSLASH) pos++;
    else if (byte === QUOTE) return pos + 1;
  }
  // Inline media is long and holds no escapes.
  const quote = bytes.indexOf(QUOTE, pos);
  if (quote < 0) return bytes.length;
  if (!bytes.subarray(pos, quote).includes(BACKSLASH)) return quote + 1;
  for (; pos < bytes.length; pos++) {
    const byte = bytes[pos];
    if (byte === BACKSLASH) pos++;
    else if (byte === QUOTE) return pos + 1;
  }
  return bytes.length;
}
