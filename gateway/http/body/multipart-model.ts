import { Transform } from 'node:stream';
import { fieldName } from './form-fields.ts';

const MAX_HEADERS_BYTES = 8_192;
/** A longer value is no model's name. */
const MAX_NAME_BYTES = 1_024;
const CRLF = Buffer.from('\r\n');
const HEADERS_END = Buffer.from('\r\n\r\n');

/** In what of a multipart body the next byte lies. A file, or any other field, is `content`. */
type Where = 'content' | 'headers' | 'name';

/**
 * Passes a multipart body on, with the value of its `model` field replaced wherever it stands: behind a long file too, which is where SDKs
 * may put it. Holds back no more than one part's headers or one name.
 * @param idOf the id for a name as the client wrote it; null leaves the name as it is
 */
export function renameModel(boundary: string, idOf: (name: string) => string | null): Transform {
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  // The first delimiter has no line before it: it is given one, which is taken off again.
  let held: Buffer = CRLF;
  let surplus = CRLF.length;
  let where: Where = 'content';

  /** Takes what can be judged out of `held`. */
  function judged(): Buffer {
    const passed: Buffer[] = [];
    let from = 0;
    const pass = (to: number): void => {
      passed.push(held.subarray(from, to));
      from = to;
    };
    for (;;) {
      if (where === 'content') {
        const at = held.indexOf(delimiter, from);
        if (at < 0) {
          // The end may be the beginning of a delimiter.
          pass(Math.max(from, held.length - delimiter.length + 1));
          break;
        }
        pass(at + delimiter.length);
        where = 'headers';
      } else if (where === 'headers') {
        const end = held.indexOf(HEADERS_END, from);
        if (end < 0 && held.length - from <= MAX_HEADERS_BYTES) break;
        where = end >= 0 && fieldName(held.toString('utf8', from, end)) === 'model' ? 'name' : 'content';
        if (end >= 0) pass(end + HEADERS_END.length);
      } else {
        const end = held.indexOf(delimiter, from);
        if (end < 0 && held.length - from <= MAX_NAME_BYTES) break;
        where = 'content';
        const id = end < 0 ? null : idOf(held.toString('utf8', from, end));
        if (id === null) continue;
        passed.push(Buffer.from(id));
        from = end;
      }
    }
    held = held.subarray(from);
    return passed.length === 1 ? passed[0]! : Buffer.concat(passed);
  }

  function withoutSurplus(bytes: Buffer): Buffer {
    const cut = Math.min(surplus, bytes.length);
    surplus -= cut;
    return bytes.subarray(cut);
  }

  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      held = held.length === 0 ? piece : Buffer.concat([held, piece]);
      done(null, withoutSurplus(judged()));
    },
    flush(done) {
      done(null, withoutSurplus(held));
    },
  });
}
