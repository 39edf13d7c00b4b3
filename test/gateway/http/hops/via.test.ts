import { describe, expect, test } from 'vitest';
import { cameBy, viaMark } from '../../../../gateway/http/hops/via.ts';
import { idMaker } from '../../../../gateway/core/secrets/id-maker.ts';

const newId = idMaker();
const [own, other, third] = [viaMark(newId()), viaMark(newId()), viaMark(newId())];

describe('the gateways that a call has come by', () => {
  test.each([
    [undefined, null],
    ['', null],
    ['1.1 google, 1.0 fred (Apache)', null],
    [other, other],
    [`1.1 varnish, ${other}, HTTP/1.1 proxy`, other],
    [`${other}, ${third}`, `${other}, ${third}`],
    [`${other},${third}`, `${other}, ${third}`],
    [own.slice(0, -1), null],
    ['1.1 headgate-me\u00e9', null],
  ])('%s', (via, on) => {
    expect(cameBy(via, own)).toBe(on);
  });

  test.each([own, `${other}, ${own}`, `1.1 google, ${own}, ${third}`])('are not to have this one among them: %s', (via) => {
    expect(() => cameBy(via, own)).toThrow(expect.objectContaining({ kind: 'loop_detected', status: 508 }));
  });

  test('are eight at the most', () => {
    const marks = Array.from({ length: 9 }, () => viaMark(newId()));
    expect(cameBy(marks.slice(1).join(', '), own)).toBe(marks.slice(1).join(', '));
    expect(() => cameBy(marks.join(', '), own)).toThrow(expect.objectContaining({ kind: 'loop_detected' }));
  });
});
