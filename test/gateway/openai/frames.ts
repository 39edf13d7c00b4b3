import fc from 'fast-check';
import type { FrameBatch } from '../../../gateway/core/transport.ts';

/** Whole chunk frames as they come from a worker, one a payload. */
export function batchOf(payloads: readonly Buffer[]): FrameBatch {
  const parts: Buffer[] = [];
  const starts: number[] = [];
  const ends: number[] = [];
  let at = 0;
  for (const payload of payloads) {
    const size = Buffer.from(`${payload.length.toString(16)}\r\n`);
    parts.push(size, payload, Buffer.from('\r\n'));
    starts.push(at + size.length);
    ends.push(at + size.length + payload.length);
    at += size.length + payload.length + 2;
  }
  return { bytes: Buffer.concat(parts), count: payloads.length, starts, ends };
}

/** The payloads of a batch, in one. */
export function payloadOf({ bytes, count, starts, ends }: FrameBatch): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, index) => bytes.subarray(starts[index], ends[index])));
}

/** `bytes` cut anywhere into pieces that are not empty. */
export function cuts(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set([0, ...places.map((place) => Math.floor(place * bytes.length)), bytes.length])].toSorted((a, b) => a - b);
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end));
}

/** Where to cut, as shares of the length. */
export const places = fc.array(fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }), { maxLength: 30 });
