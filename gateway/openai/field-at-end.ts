/**
 * The body, which is a JSON object, with a field at its end (`"name":value`), and not one other byte changed. Where it has that field
 * already the later one counts, as in every parser that a worker may have.
 */
export function withFieldAtEnd(body: Buffer, field: string): Buffer {
  const end = body.lastIndexOf('}');
  const isEmpty = /^\s*\{\s*$/.test(body.toString('latin1', 0, Math.min(end, 64)));
  return Buffer.concat([body.subarray(0, end), Buffer.from(isEmpty ? field : `,${field}`), body.subarray(end)]);
}
