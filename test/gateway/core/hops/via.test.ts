import { describe, expect, test } from 'vitest';
import { cameBy, gatewaysIn, mayGoTo, viaOf } from '../../../../gateway/core/hops/via.ts';
import { idMaker } from '../../../../gateway/core/secrets/id-maker.ts';

const newId = idMaker();
const [own, other, third] = [newId(), newId(), newId()];
const mark = (id: string): string => viaOf([id]);

describe('the gateways that a call has come by', () => {
  test.each([
    [undefined, []],
    ['', []],
    ['1.1 google, 1.0 fred (Apache)', []],
    [mark(other), [other]],
    [`1.1 varnish, ${mark(other)}, HTTP/1.1 proxy`, [other]],
    [viaOf([other, third]), [other, third]],
    [`${mark(other)},${mark(third)}`, [other, third]],
    [mark(own).slice(0, -1), []],
    ['1.1 headgate-me\u00e9', []],
  ])('%s', (via, gateways) => {
    expect(cameBy(via, own)).toEqual(gateways);
    expect(gatewaysIn(via)).toEqual(gateways);
  });

  test.each([mark(own), viaOf([other, own]), `1.1 google, ${viaOf([own, third])}`])('are not to have this one among them: %s', (via) => {
    expect(() => cameBy(via, own)).toThrow(expect.objectContaining({ kind: 'loop_detected', status: 508 }));
  });

  test('are eight at the most, of which the eighth asks no ninth', () => {
    const ids = Array.from({ length: 9 }, newId);
    expect(cameBy(viaOf(ids.slice(1)), own)).toEqual(ids.slice(1));
    expect(() => cameBy(viaOf(ids), own)).toThrow(expect.objectContaining({ kind: 'loop_detected' }));
    expect([mayGoTo(own, ids.slice(2)), mayGoTo(own, ids.slice(1))]).toEqual([true, false]);
  });

  test('do not get it again', () => {
    expect([mayGoTo(own, []), mayGoTo(own, [other]), mayGoTo(own, [other, own])]).toEqual([true, true, false]);
  });
});
