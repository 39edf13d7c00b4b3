import { fieldSpans } from './field-spans.ts';

/** What a line of an input file holds, as far as it is needed again. Its other fields were looked at when the file was validated. */
export interface RequestLine {
  /** In JSON, as it stands there. */
  readonly customId: string;
  /** Byte for byte. */
  readonly body: Buffer;
}

/** null: the line lacks one of them, so that it is not what was validated. @param bytes a JSON object */
export function requestLine(bytes: Buffer): RequestLine | null {
  const spans = fieldSpans(bytes);
  const [id, body] = [spans.get('custom_id'), spans.get('body')];
  if (!id || !body) return null;
  return { customId: bytes.toString('utf8', id.start, id.end), body: bytes.subarray(body.start, body.end) };
}
